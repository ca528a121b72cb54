def keep(token, window, sinks):
    return [other for other in range(token + 1) if other < sinks or other > token - window]
