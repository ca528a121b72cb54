import numpy as np


def merge(out_a, lse_a, out_b, lse_b):
    lse = np.logaddexp(lse_a, lse_b)
    subtracted = np.where(lse == -np.inf, 0, lse)  # two empty pieces: exp(-inf - 0) = 0
    weight_a, weight_b = np.exp(lse_a - subtracted), np.exp(lse_b - subtracted)
    return weight_a[:, None] * out_a + weight_b[:, None] * out_b, lse
