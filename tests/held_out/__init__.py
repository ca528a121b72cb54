"""Wrong results of public bug reports, rebuilt, to measure the reports of check()."""

from held_out import (  # noqa: F401  # each registers its cases
    gradient_parts,
    gradients,
    masks,
    memory,
    merges,
    scores,
    second,
    third,
)
