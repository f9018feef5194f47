"""Released images keep the distance to training images that real strangers, the held-out images, keep.

Two rules, beside the mark of near copies in `distinct`. Both are taken from the held-out images alone:

    quota    of n released images of a class at most q * n + 1 lie within the distance that a share q of the held-out
             images of that class keeps to the nearest training image, for each q of `GRID`. A q counts where at least
             `FEW` held-out images lie below it; images without classes, or without held-out ones that have some, are
             one class
    lonely   no released image is as near to a training image, for how lonely that one is, as the nearest hundredth of
             held-out images: a near hit on an outlying image is what tells who was there (compare Carlini et al. 2022,
             arXiv 2112.03570, and the authenticity of Alaa et al. 2022, arXiv 2102.08921)

    nearness(g) = min over training images i of  (d(g, i) + e) / (s(i) + e) * m / (min(s(i), 2 m) + e)

d is the distance of `pixels.small`, s(i) the mean distance of i to its `NEIGHBOURS` nearest others among at most
`ASKED` training images, m the median of s, and e = 0.3 m. That is the scale of the attack in `privacy`, which chose its
numbers by simulation (docs/adr/0020), without the synthetic images; so that attack's verdict is partly kept by
construction, and other attacks are to be asked as well (docs/adr/0029).

    quota = Quota(np.array([1.0, 2.0, 3.0, 4.0] * 10))      # a quarter each
    [quota.takes(1.0) for _ in range(4)]                    # [True, False, False, False]

The quota is kept up as images stream by; the one image more lets a sample of the held-out images' own law pass nearly
whole. A model that has hardly anything farther away is not drawn from for ever: once fewer than one in `LEAST` of more
than `PATIENCE` images of a class was taken, that class's quota is given up, and the facts say how many came through.
"""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthtrail.evaluation.nearest import blocks, several

Rows = NDArray[np.float32]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Classes = NDArray[Any]

GRID = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
FEW = 5
PATIENCE = 1_000
LEAST = 4
ASKED = 4_000  # training images among which another one's neighbours are looked for
# As in `privacy`, said again: importing it would make `generate` run anew whenever the report's code changes.
NEIGHBOURS, ROOM, CREDIT = 3, 0.3, 2.0
EVERY = ""  # the class of images without classes


@dataclass(frozen=True)
class Strangers:
    """What held-out images keep: distances (M,) to the nearest training image by class, and the mark of nearness.

    All of them together are the class `EVERY`.
    """

    distances: Mapping[str, Floats] = field(default_factory=dict)
    lonely: float = -1.0

    @classmethod
    def of(cls, distances: Floats, classes: Classes | None, lonely: float) -> "Strangers":
        """Return the law of held-out images at these distances (M,), of these classes (M,) if they are known."""
        known = {} if classes is None else {name: distances[classes == name] for name in np.unique(classes)}
        return cls({str(name): some for name, some in known.items()} | {EVERY: distances}, lonely)


@dataclass(frozen=True)
class Crowd:
    """Training images (N, D) and what a distance to each of them counts for (N,)."""

    train: Rows
    weight: Rows
    room: float

    @classmethod
    def of(cls, train: Rows) -> "Crowd":
        """Take the loneliness of each training image; of no more than `NEIGHBOURS` images none is lonely."""
        if len(train) <= NEIGHBOURS:
            return cls(train[:0], np.empty(0, np.float32), 0.0)
        lonely = loneliness(train)
        middle = float(np.median(lonely)) or float(lonely.mean()) or 1.0
        room = ROOM * middle
        weight = middle / (lonely + room) / (np.minimum(lonely, CREDIT * middle) + room)
        return cls(train, weight.astype(np.float32), room)

    def nearness(self, rows: Rows) -> Floats:
        """Return how near each row (B, D) comes to a training image, for how lonely that is: (B,), small where near."""
        found = np.full(len(rows), np.inf)
        for start, squares in blocks(rows, self.train) if len(self.train) else ():
            distances = np.sqrt(squares, out=squares)
            distances += self.room
            distances *= self.weight
            found[start : start + len(distances)] = distances.min(axis=1)
        return found


def loneliness(train: Rows) -> Floats:
    """Return the mean distance of each image (N, D) to its nearest others among at most `ASKED` of them: (N,)."""
    asked = np.unique(np.linspace(0, len(train) - 1, min(len(train), ASKED)).round().astype(np.int64))
    points: Any = train  # float32 is near enough
    near = several(points, points[asked], NEIGHBOURS + 1)
    near[asked, :-1] = near[asked, 1:]  # the nearest of those asked is the image itself
    return np.asarray(near[:, :NEIGHBOURS].mean(axis=1))


class Quota:
    """How many images of a class may still lie within the distances that held-out images keep."""

    def __init__(self, held: Floats) -> None:
        counted = [share for share in GRID if share * len(held) >= FEW]
        self.marks: list[float] = np.quantile(held, counted).tolist() if counted else []
        # Where held-out images are equally far, a larger share than was asked for lies within the mark.
        self.shares = [float((held <= mark).mean()) for mark in self.marks]
        self.within = [0] * len(self.marks)
        self.seen = self.kept = self.given_up = 0

    def takes(self, distance: float) -> bool:
        """Tell whether an image at this distance from the nearest training image may stay, and count it."""
        self.seen += 1
        if self._gives_up():
            self.given_up += 1
            return True
        hit = range(bisect_left(self.marks, distance), len(self.marks))
        if any(self.within[at] > self.shares[at] * (self.kept + 1) for at in hit):
            return False
        for at in hit:
            self.within[at] += 1
        self.kept += 1
        return True

    def _gives_up(self) -> bool:
        return bool(self.given_up) or (self.seen > PATIENCE and self.kept * LEAST < self.seen)


class Quotas:
    """The quota of each class."""

    def __init__(self, strangers: Strangers) -> None:
        self.strangers = strangers
        self._of: dict[str, Quota] = {}

    def taken(self, distances: Floats, classes: Classes | None) -> Mask:
        """Return which images at these distances (B,), of these classes (B,) if they have any, may stay: bool (B,)."""
        known = len(self.strangers.distances) > 1 and classes is not None
        names = np.asarray(classes).astype(str).tolist() if known else [EVERY] * len(distances)
        pairs = zip(names, distances.tolist(), strict=True)
        return np.array([self._quota(name).takes(distance) for name, distance in pairs], bool)

    @property
    def given_up(self) -> int:
        """How many images came through because their class's quota was given up."""
        return sum(quota.given_up for quota in self._of.values())

    def _quota(self, name: str) -> Quota:
        if name not in self._of:
            self._of[name] = Quota(self.strangers.distances.get(name, np.empty(0)))
        return self._of[name]
