def sends_first(device, devices):
    return device % 2 == 0
