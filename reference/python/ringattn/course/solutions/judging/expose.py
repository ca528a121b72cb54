def expose(mistake):
    return {
        "M1": {"seq": 3, "causal": True},
        "S11": {"seq": 2, "v_dim": 3},
        "H1": {"seq": 2, "heads": (4, 2)},
        "V6": {"seq": 2, "batch": 2},
        "M15": {"seq": 2, "kv_seq": 8, "causal": True},
        "R1": {"seq": 4, "devices": 4},
        "P4": {"seq": 4, "devices": 2, "layout": "striped", "causal": True},
    }[mistake]
