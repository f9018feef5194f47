"""Decision trees over codes: grown by scikit-learn, kept and walked as plain arrays.

A tree keeps, of each node, how many training rows had which code of one column, and nothing else of them. A code is
drawn by walking down by a row's features and taking one of the codes at the place reached, which is *smoothed*: at a
node with n rows, the walk goes up again with probability a / (n + a).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data.codec import TableCodec

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
LEVELS = 32  # codes of a category that trees can tell apart; the rarer ones look alike to them


@dataclass(frozen=True)
class Tree:
    """One column's tree. Arrays are per node, `codes` per training row: node n has codes[first[n]:last[n]].

    `feature` is -1 in a leaf. Children come after their parent.
    """

    feature: Ints
    threshold: NDArray[np.float64]
    left: Ints
    right: Ints
    parent: Ints
    first: Ints
    last: Ints
    codes: Ints

    def draw(self, features: Floats, smoothing: float, rng: np.random.Generator) -> Ints:
        """Return a code for each row of `features` (N, F)."""
        node = self._up(self._down(features), smoothing, rng)
        width = self.last[node] - self.first[node]
        return self.codes[self.first[node] + (rng.random(len(node)) * width).astype(np.int64)]

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int((self.feature < 0).sum())

    def _down(self, features: Floats) -> Ints:
        node = np.zeros(len(features), dtype=np.int64)
        moving = np.flatnonzero(self.feature[node] >= 0)
        while len(moving):
            at = node[moving]
            low = features[moving, self.feature[at]] <= self.threshold[at]
            node[moving] = np.where(low, self.left[at], self.right[at])
            moving = moving[self.feature[node[moving]] >= 0]
        return node

    def _up(self, node: Ints, smoothing: float, rng: np.random.Generator) -> Ints:
        moving = np.arange(len(node))
        while len(moving):
            at = node[moving]
            rows = self.last[at] - self.first[at]
            rises = (rng.random(len(at)) * (rows + smoothing) < smoothing) & (at > 0)
            moving = moving[rises]
            node[moving] = self.parent[node[moving]]
        return node

    def tensors(self) -> dict[str, Tensor]:
        """Return the arrays as tensors."""
        return {name: torch.from_numpy(value) for name, value in vars(self).items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> "Tree":
        """Read what `tensors` gave."""
        return cls(**{name: tensors[name].numpy() for name in cls.__dataclass_fields__})


class Features:
    """What a tree sees of the columns: a number (and whether it is missing), or which category it is.

    `ends[i]` is the number of features of the first i + 1 columns in `order`. Of a category the codes in `levels` can
    be told apart.
    """

    def __init__(self, codec: TableCodec, order: Sequence[int], levels: Mapping[str, Sequence[int]]) -> None:
        self.tables = [_table(codec, at, levels.get(str(at), ())) for at in order]
        self.order = order
        self.ends = np.cumsum([table.shape[1] for table in self.tables]).tolist()

    def put(self, features: Floats, number: int, codes: Ints) -> None:
        """Write the features of column number `number` of the order into `features` (N, F)."""
        end = self.ends[number]
        features[:, end - self.tables[number].shape[1] : end] = self.tables[number][codes]

    def all(self, codes: Ints) -> Floats:
        """Return the features of all columns of codes (N, C)."""
        features = np.zeros((len(codes), self.ends[-1]), dtype=np.float32)
        for number, at in enumerate(self.order):
            self.put(features, number, codes[:, at])
        return features


def frequent(codes: Ints, codec: TableCodec) -> dict[str, list[int]]:
    """Return the `LEVELS` most frequent codes of each column without numbers, by its number as text; codes (N, C)."""
    wordy = [at for at in range(codes.shape[1]) if codec.centres(at) is None]
    counts = {at: np.bincount(codes[:, at], minlength=codec.cardinalities[at]) for at in wordy}
    return {str(at): sorted(np.argsort(-count, kind="stable")[:LEVELS].tolist()) for at, count in counts.items()}


def _table(codec: TableCodec, at: int, levels: Sequence[int]) -> Floats:
    """Return the features of each code of a column (K, F)."""
    centres = codec.centres(at)
    if centres is None:
        return np.eye(codec.cardinalities[at], dtype=np.float32)[:, list(levels)]
    missing = np.isnan(centres)
    filled = np.where(missing, np.nanmean(centres) if not missing.all() else 0.0, centres)
    return np.stack([filled, missing], axis=1).astype(np.float32)


def grow(features: Floats, codes: Ints, centres: NDArray[np.float64] | None, least: int) -> Tree:
    """Return a tree for `codes` (N,) given `features` (N, F); numbers grouped by closeness, categories by purity."""
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor  # noqa: PLC0415 - sampling needs none

    if features.shape[1] == 0:
        features = np.zeros((len(codes), 1), dtype=np.float32)
    maker = DecisionTreeClassifier if centres is None else DecisionTreeRegressor
    found = maker(min_samples_leaf=min(least, len(codes)), random_state=0).fit(features, wanted(codes, centres))
    return plain(found.tree_, found.apply(features), codes)


def wanted(codes: Ints, centres: NDArray[np.float64] | None) -> Any:
    """Return what a tree is grown for: codes (N,), or of numbers their size and whether they are missing (N, 2)."""
    return codes if centres is None else _numbers(codes, centres)


def _numbers(codes: Ints, centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return standardised numbers, and whether they are missing (N, 2)."""
    values = centres[codes]
    missing = np.isnan(values)
    filled = np.where(missing, values[~missing].mean() if not missing.all() else 0.0, values)
    both = np.stack([filled, missing], axis=1)
    spread = both.std(axis=0)
    return np.asarray((both - both.mean(axis=0)) / np.where(spread > 0, spread, 1.0))


def plain(tree: Any, leaves: Ints, codes: Ints) -> Tree:
    """Return sklearn's tree as plain arrays. Its nodes are numbered depth first, so a subtree's leaves are a run."""
    left, right = tree.children_left.astype(np.int64), tree.children_right.astype(np.int64)
    parent = np.zeros(tree.node_count, dtype=np.int64)
    for children in (left, right):
        inner = children >= 0
        parent[children[inner]] = np.flatnonzero(inner)
    order = np.lexsort((codes, leaves))  # within a leaf by code, so that no order of rows is left
    own = np.bincount(leaves, minlength=tree.node_count)
    first = np.cumsum(own) - own
    last = first + own
    for node in range(tree.node_count - 1, 0, -1):
        last[parent[node]] = max(last[parent[node]], last[node])
    feature = np.where(left >= 0, tree.feature, -1).astype(np.int64)
    return Tree(feature, tree.threshold.astype(np.float64), left, right, parent, first, last, codes[order])
