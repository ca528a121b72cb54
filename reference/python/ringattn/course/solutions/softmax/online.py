import numpy as np


def online(m, l, O, scores, values):  # noqa: E741 - the names of the papers
    m_new = max(m, scores.max(initial=-np.inf))
    if m_new == -np.inf:  # no visible key so far
        return m, l, O
    alpha = np.exp(m - m_new)
    p = np.exp(scores - m_new)
    return m_new, alpha * l + p.sum(), alpha * O + p @ values
