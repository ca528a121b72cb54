import numpy as np


def bound(scores, kept, longest):
    weights = np.exp(scores - scores.max())
    return 2 * longest * weights[~kept].sum() / weights.sum()
