import numpy as np


def suspect(weights):
    findings = []
    for (device, block), weight in np.ndenumerate(weights):
        if weight < 0.5:
            findings.append((device, block, "lost"))
        elif weight > 1.5:
            findings.append((device, block, "twice"))
    return findings
