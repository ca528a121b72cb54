def trip(step, devices):
    if step == devices - 1:
        return []
    return [(device, (device + 1) % devices, (device - step) % devices) for device in range(devices)]
