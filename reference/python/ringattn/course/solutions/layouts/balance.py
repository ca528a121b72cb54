import numpy as np


def balance(device, devices, seq):
    chunks = np.array_split(np.arange(seq), 2 * devices)
    return np.concatenate([chunks[device], chunks[2 * devices - 1 - device]])
