def slot(token, window, sinks):
    return token if token < sinks else sinks + (token - sinks) % window
