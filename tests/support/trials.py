"""The number of random examples of a test."""

import os

from hypothesis import HealthCheck, Phase, settings


def run_scale():
    """RINGATTN_TEST_SCALE: 1 in `make test`, 10 in `make test-all`."""
    return float(os.environ.get("RINGATTN_TEST_SCALE", "1"))


def trials(usual):
    """Settings for _usual_ random examples, times RINGATTN_TEST_SCALE; every run draws the same ones."""
    return settings(
        max_examples=max(1, int(usual * run_scale())),
        derandomize=True,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        phases=set(Phase) - {Phase.explain},
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
