def buffer(step, devices):
    here, there = step % 2, (step + 1) % 2
    if step == devices - 1:
        return [("compute", here)]
    return [("receive", there), ("send", here), ("compute", here), ("wait", there)]
