"""The terms of differential privacy, in the words that stand in the model's file, the records and the report."""

from collections.abc import Mapping
from typing import Any

from synthtrail.params import ParamsError

Audited = Mapping[str, Any] | None
"""What `dp_audit.Audit.to_json` gave; None before there was one."""

NEIGHBOURS = "tables that differ by one row, added or removed"
COVERED = "the model and all that is generated from it"
PUBLIC = (
    "names, kinds, ranges, decimals and categories of columns, whether values can be missing, patterns of identifiers, "
    "the number of rows, the settings"
)
NOT_COVERED = "scores, figures and expectations computed on real rows; settings chosen by looking at them"
NETWORK_PUBLIC = f"{PUBLIC}, the number of steps, the seed of the first weights"
NETWORK_NOT_COVERED = (
    f"{NOT_COVERED}; what an attacker may gain from the noise being drawn in floating point, against which it is "
    "the sum of four draws"
)


def asked(epsilon: float, delta: float) -> None:
    """Raise `ParamsError` for an epsilon and a delta that are no guarantee."""
    if epsilon <= 0:
        raise ParamsError("model.epsilon: expected a number above 0; 1 is usual, and smaller protects more")
    if not 0 < delta < 1:
        raise ParamsError("model.delta: expected a number between 0 and 1, well below one over the number of rows")


def of_counts(epsilon: float, delta: float, audit: Audited = None) -> Mapping[str, object]:
    """Return the terms of a model that is nothing but noisy counts."""
    mechanism = (
        "discrete Gaussian noise on counts and the exponential mechanism, added up as zCDP; noise from the operating "
        "system's secret random numbers, never a seed"
    )
    return _terms(epsilon, delta, mechanism, PUBLIC, NOT_COVERED, audit)


def of_steps(epsilon: float, delta: float, how: str, audit: Audited = None) -> Mapping[str, object]:
    """Return the terms of a network; `how` tells steps, sampling, clipping and noise."""
    mechanism = (
        f"DP-SGD: {how}; before it a count of each column with discrete Gaussian noise. Added up as Renyi divergences; "
        "noise and sampling by secret random numbers, never a seed"
    )
    return _terms(epsilon, delta, mechanism, NETWORK_PUBLIC, NETWORK_NOT_COVERED, audit)


def _terms(
    epsilon: float, delta: float, mechanism: str, public: str, not_covered: str, audit: Audited
) -> Mapping[str, object]:
    told = {
        "epsilon": epsilon,
        "delta": delta,
        "neighbours": NEIGHBOURS,
        "mechanism": mechanism,
        "covered": COVERED,
        "declared_public": public,
        "not_covered": not_covered,
    }
    return told if audit is None else told | {"audit": in_words(audit)}


def in_words(audit: Mapping[str, Any]) -> str:
    """Return what an audit found, beside the promise that it was of."""
    return (
        f"an attack on {audit['canaries']:,} planted canaries proves an epsilon of at least {audit['epsilon']:.2f} "
        f"({audit['sure']:.0%} sure; {audit['right']} of {audit['guesses']} guesses right); what it cannot prove it "
        "does not exclude"
    )
