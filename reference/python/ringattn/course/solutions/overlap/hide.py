def hide(flops, bandwidth, element_bytes):
    return element_bytes / 2 * flops / bandwidth
