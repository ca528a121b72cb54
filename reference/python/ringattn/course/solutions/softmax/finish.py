import numpy as np


def finish(m, l, O):  # noqa: E741 - the names of the papers
    return (O / l, m + np.log(l)) if l > 0 else (O, -np.inf)
