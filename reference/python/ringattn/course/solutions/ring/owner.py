def owner(device, step, devices):
    return (device - step) % devices
