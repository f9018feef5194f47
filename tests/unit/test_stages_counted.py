"""Counts by class are held against what was asked for."""

import numpy as np

from synthtrail.evaluation.judge import Judgement
from synthtrail.evaluation.verdict import Reason, Verdict
from synthtrail.stages.counted import held_to_counts

PASSED = Judgement("x", "public", {"Kind": "images"}, (), Verdict("pass", (Reason("pass", "fine"),)), {}, "", {})
LABELS = np.array(["a", "a", "b"], dtype=object)


def test_exact_counts_are_told() -> None:
    """The head of the report says so, and the verdict stays."""
    found = held_to_counts(PASSED, {"a": 2, "b": 1}, LABELS)
    assert found.facts["Counts by class"] == "exactly as asked: a 2, b 1"
    assert found.verdict.level == "pass"


def test_one_image_too_few_or_of_another_class_is_refused() -> None:
    """A missing one, a strange class, and a class that has none."""
    for asked in ({"a": 3, "b": 1}, {"a": 2}, {"a": 2, "b": 1, "c": 1}):
        found = held_to_counts(PASSED, asked, LABELS)
        assert found.verdict.level == "refuse"
        assert "as many images as were asked for" in found.verdict.reasons[0].text
    assert "a: 2, not 3" in held_to_counts(PASSED, {"a": 3, "b": 1}, LABELS).verdict.reasons[0].text


def test_without_counts_nothing_is_added() -> None:
    """Classes drawn as often as in training are left to the class balance."""
    assert held_to_counts(PASSED, {}, LABELS) is PASSED
