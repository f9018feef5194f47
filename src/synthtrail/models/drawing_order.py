"""In which order columns are drawn, where a generator draws them in a few stages: parents before their children.

Which column is whose parent says the tree of greatest mutual information (`dependence_tree`). Columns are put in line
by their distance from its root, so a parent is mostly drawn a stage before its children; where it is drawn in the same
one, the stage draws its columns in runs.

    >>> line_up((-1, 0, 0, 1), (2, 9, 5, 3), stages=2, target=0)
    ((2, 1), (3,))
    >>> order = DrawingOrder((5, 9, 3, 2), stages=(2, 1), parents=(3, 3, 1, -1))  # those columns, and the target last
    >>> order.columns(), order.edges()
    ([range(0, 2), range(2, 3)], [(0, 3), (1, 3), (2, 1)])
    >>> DrawingOrder((5, 9, 3), stages=(3,), parents=(-1, 0, 1)).runs()
    [[[0], [1], [2]]]
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from synthtrail.models.dependence_tree import ROOT, information, order, spanning

MOST_CELLS = 2**20  # of the table by which a parent's codes tell a child's


@dataclass(frozen=True)
class DrawingOrder:
    """Columns of `sizes` codes in the order in which they are drawn; `stages` says how many each stage takes.

    A target comes last and is in no stage. `parents` are places in this order, `ROOT` for none; () where no column has
    one.
    """

    sizes: tuple[int, ...]
    stages: tuple[int, ...]
    parents: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if not self.parents:
            object.__setattr__(self, "parents", (ROOT,) * len(self.sizes))

    @property
    def labelled(self) -> bool:
        """Whether the last column is a target."""
        return sum(self.stages) < len(self.sizes)

    def columns(self) -> list[range]:
        """Return the places of each stage's columns."""
        ends = [0, *itertools.accumulate(self.stages)]
        return [range(start, end) for start, end in itertools.pairwise(ends)]

    def edges(self) -> list[tuple[int, int]]:
        """Return the columns that have a parent, and that."""
        drawn = range(sum(self.stages))
        return [(at, self.parents[at]) for at in drawn if self.parents[at] != ROOT]

    def runs(self) -> list[list[list[int]]]:
        """Return each stage's columns in neighbouring runs, within which none is another's parent."""
        found = []
        for columns in self.columns():
            runs: list[list[int]] = []
            for at in columns:
                if runs and self.parents[at] not in runs[-1]:
                    runs[-1].append(at)
                else:
                    runs.append([at])
            found.append(runs)
        return found


def tree(codes: NDArray[np.int64], sizes: tuple[int, ...], target: int | None, *, number: bool) -> tuple[int, ...]:
    """Return the parent of each column of rows (N, C) of so many codes.

    A target of words tells every column through its class and is in no pair; a `number`, of which each code is rare,
    begins the tree. Pairs whose table would have more than `MOST_CELLS` cells count for nothing.
    """
    gain = information(codes, sizes)
    gain[np.outer(sizes, sizes) > MOST_CELLS] = 0.0
    if target is not None and not number:
        gain[target] = gain[:, target] = 0.0
    return spanning(gain, target if number else None)


def line_up(
    parents: tuple[int, ...], sizes: tuple[int, ...], stages: int, target: int | None
) -> tuple[tuple[int, ...], ...]:
    """Return the columns of each stage, about equally many: by their distance from the root, then by their codes.

    Equal sizes stand side by side, and no column before its parent.
    """
    depth = {ROOT: 0}
    for at in order(parents):
        depth[at] = depth[parents[at]] + 1
    columns = sorted((at for at in range(len(sizes)) if at != target), key=lambda at: (depth[at], sizes[at]))
    if not columns:
        return ()
    most = -(-len(columns) // min(stages, len(columns)))
    return tuple(tuple(columns[start : start + most]) for start in range(0, len(columns), most))
