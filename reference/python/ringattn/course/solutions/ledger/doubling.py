def doubling(hidden, factor):
    return 6 * hidden * (factor - 2) / (4 - factor)
