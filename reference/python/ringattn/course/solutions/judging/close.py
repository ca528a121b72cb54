import numpy as np


def close(found, expected, tolerance):
    if found.shape != expected.shape:
        return False
    return bool(np.all((found == expected) | (np.abs(found - expected) <= tolerance)))
