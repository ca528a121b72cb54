import numpy as np


def tolerance(a, b, unit):
    return len(a) * unit * np.sum(np.abs(a * b))
