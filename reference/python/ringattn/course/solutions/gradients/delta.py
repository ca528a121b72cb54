import numpy as np


def delta(out, dout):
    return np.sum(out * dout, axis=1)
