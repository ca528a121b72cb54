def clock(devices, step, hop, overlap):
    if overlap:
        return step + (devices - 1) * max(step, hop)
    return devices * step + (devices - 1) * hop
