def order(device, devices, arrived):
    return sorted(arrived, key=lambda owner: (device - owner) % devices)
