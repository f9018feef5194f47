"""Decision trees whose leaves hold rows of several subjects, for tables in which one subject has many rows.

A leaf of thirty rows may be one patient's stay. So a split counts only if both sides have rows of enough subjects; else
the node is a leaf, and of what was below it nothing is kept.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.models.trees import Floats, Ints, Tree, plain, wanted


@dataclass(frozen=True)
class Pruned:
    """What is left of scikit-learn's tree, its nodes numbered anew, depth first; the names are scikit-learn's."""

    children_left: Ints
    children_right: Ints
    feature: Ints
    threshold: NDArray[np.float64]

    @property
    def node_count(self) -> int:
        """Number of nodes."""
        return len(self.feature)


def grown(
    features: Floats, codes: Ints, centres: NDArray[np.float64] | None, least: int, whose: Ints, subjects: int
) -> Tree:
    """Return a tree as `trees.grow` does, with rows of at least `subjects` subjects in each leaf; `whose` is (N,)."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: PLC0415 - sampling needs none

    if features.shape[1] == 0:
        features = np.zeros((len(codes), 1), dtype=np.float32)
    maker = DecisionTreeClassifier if centres is None else DecisionTreeRegressor
    with warnings.catch_warnings():  # a diagnosis code may well have more levels than half the rows
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        found = maker(min_samples_leaf=min(least, len(codes)), random_state=0).fit(features, wanted(codes, centres))
    tree, leaves = pruned(found.tree_, found.apply(features), whose, subjects)
    return plain(tree, leaves, codes)


def pruned(tree: Any, leaves: Ints, whose: Ints, subjects: int) -> tuple[Pruned, Ints]:
    """Return the tree without splits that leave a side with rows of fewer than `subjects`, and each row's leaf (N,)."""
    left, right = tree.children_left, tree.children_right
    there = [set[int]() for _ in range(tree.node_count)]
    for leaf, subject in set(zip(leaves.tolist(), whose.tolist(), strict=True)):
        there[leaf].add(subject)
    for node in range(tree.node_count - 1, -1, -1):  # children come after their parent
        if left[node] >= 0:
            there[node] = there[left[node]] | there[right[node]]
    place = np.full(tree.node_count, -1, dtype=np.int64)  # of each old node, or of the leaf that it is in now
    kept: list[int] = []
    splits: list[bool] = []
    stack = [(0, -1)]
    while stack:
        node, inside = stack.pop()
        if inside >= 0:
            place[node] = inside
            below = inside
        else:
            place[node], below = len(kept), -1
            split = left[node] >= 0 and min(len(there[left[node]]), len(there[right[node]])) >= subjects
            kept.append(node)
            splits.append(bool(split))
            below = -1 if split else int(place[node])
        if left[node] >= 0:
            stack += [(right[node], below), (left[node], below)]
    old, inner = np.array(kept), np.array(splits)
    low, high = (np.where(inner, place[side[old]], -1).astype(np.int64) for side in (left, right))
    return Pruned(low, high, tree.feature[old].astype(np.int64), tree.threshold[old]), place[leaves]
