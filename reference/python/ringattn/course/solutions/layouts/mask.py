def mask(q_positions, kv_positions):
    return kv_positions[None, :] <= q_positions[:, None]
