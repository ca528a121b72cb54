def tree(pieces):
    rounds, distance = [], 1
    while distance < pieces:
        rounds.append([(into, into + distance) for into in range(0, pieces - distance, 2 * distance)])
        distance *= 2
    return rounds
