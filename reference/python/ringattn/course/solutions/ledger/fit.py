def fit(tokens, room):
    return 1 if tokens <= room else -(-tokens // (room // 2))
