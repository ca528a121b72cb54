import numpy as np


def shares(lse):
    largest = lse.max(axis=0)
    denominators = np.exp(lse - np.where(largest == -np.inf, 0, largest))
    total = denominators.sum(axis=0)
    return denominators / np.where(total == 0, 1, total)
