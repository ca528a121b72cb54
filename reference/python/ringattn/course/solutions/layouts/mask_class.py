def mask_class(q_positions, kv_positions):
    if kv_positions.max() <= q_positions.min():
        return "full"
    if kv_positions.min() > q_positions.max():
        return "skipped"
    return "partial"
