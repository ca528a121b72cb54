def cost(seq, devices):
    block = seq // devices
    return seq * seq, seq * block, min(seq, 2 * block), devices * (devices - 1)
