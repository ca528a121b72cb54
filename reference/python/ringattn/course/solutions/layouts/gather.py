import numpy as np


def gather(shards):
    half = shards.shape[1] // 2
    early, late = shards[:, :half], shards[:, half:]
    return np.concatenate([*early, *late[::-1]])
