"""Near-duplicates among images: of another generated image, or of a training image. They are not released.

How near is too near is taken from the real images themselves, in the distance of `pixels.small`:

    own     the first percentile of training images' distances to the nearest other training image: what lies no
            farther from another generated image is its near-duplicate
    held    the first percentile of holdout images' distances to the nearest training image: what lies no farther
            from a training image is its near copy, learnt by heart

Both are taken from at most `ASKED` images, evenly spaced, against all training images, and so are the same wherever
they are taken. `generate` drops near-duplicates and draws others in their place (`Sieve`); `validate` counts them in
what was released (`shares`). The sieve also holds what it keeps to the held-out images' own distances (`crowding`).

    sieve = Sieve(Reference.of(train.pixels, holdout.pixels, holdout.labels))
    kept = sieve.passed(batch.pixels, batch.labels)      # bool (B,)
    sieve.facts()     # {"near_copies": 3, "near_lonely": 1, "near_duplicates": 12, "over_quota": 40, ...}

A model that has collapsed makes next to nothing else. Then the sieve gives up and lets the rest through, so that there
is something to show, and the report refuses it: of `PATIENCE` images it must have kept one in `LEAST`.

What it does not see: a training image that was shifted, mirrored or made brighter is far from it in pixels. The attack
in `privacy` is no help against that either; a person's eye is.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from synthtrail.evaluation.crowding import Classes, Crowd, Quotas, Strangers
from synthtrail.evaluation.nearest import nearest, nearest_other
from synthtrail.evaluation.pixels import small

Rows = NDArray[np.float32]
Mask = NDArray[np.bool_]

ASKED = 4_000
PERCENTILE = 1.0
PATIENCE = 2_000
LEAST = 50


@dataclass(frozen=True)
class Reference:
    """Training images as distances see them, float32 (N, D), and the marks `own` and `held`; nothing is too near -1.

    `strangers` is what held-out images keep beyond the marks; without it the sieve asks for nothing further.
    """

    train: Rows
    own: float
    held: float
    strangers: Strangers = field(default_factory=Strangers)

    @classmethod
    def of(cls, train: NDArray[np.uint8], holdout: NDArray[np.uint8], classes: Classes | None = None) -> "Reference":
        """Take everything from real images (N, H, W, C) and (M, H, W, C), held-out ones of these classes (M,).

        Pixels that know their classes (an attribute `classes`) need not be told them.
        """
        known = getattr(holdout, "classes", None) if classes is None else classes
        return cls.of_rows(small(train), small(np.asarray(holdout)), known)

    @classmethod
    def of_rows(cls, train: Rows, holdout: Rows, classes: Classes | None = None) -> "Reference":
        """Take everything from real images as distances see them (N, D) and (M, D)."""
        asked = spaced(len(holdout))
        marks, distances = cls._marked(train, holdout[asked])
        lonely = _mark(Crowd.of(train).nearness(holdout[asked]))
        known = None if classes is None else np.asarray(classes).astype(str)[asked]
        return cls(train, marks.own, marks.held, Strangers.of(distances, known, lonely))

    @classmethod
    def marks(cls, train: NDArray[np.uint8], holdout: NDArray[np.uint8]) -> "Reference":
        """Take the marks alone, which is all that counting takes."""
        rows = small(holdout)
        return cls._marked(small(train), rows[spaced(len(rows))])[0]

    @classmethod
    def _marked(cls, train: Rows, asked: Rows) -> tuple["Reference", NDArray[np.float64]]:
        own_distances, _ = nearest_other(train, spaced(len(train)))
        held_distances, _ = nearest(asked, train)
        return cls(train, _mark(own_distances), _mark(held_distances)), held_distances

    def near_copies(self, rows: Rows) -> Mask:
        """Tell which of the rows (B, D) are near copies of a training image."""
        return nearest(rows, self.train)[0] <= self.held


def spaced(count: int) -> NDArray[np.int64]:
    """Return the numbers of at most `ASKED` of so many images, evenly spaced."""
    return np.unique(np.linspace(0, count - 1, min(count, ASKED)).round().astype(np.int64)) if count else _none()


def shares(reference: Reference, made: NDArray[np.uint8]) -> tuple[float, float]:
    """Return of all generated images (N, H, W, C) the share that is distinct, and the share of near copies.

    Distinct is what is farther than `own` from every other one; of two near-duplicates neither is.
    """
    rows = small(made)
    apart, _ = nearest(rows, rows, among_themselves=True)
    return float((apart > reference.own).mean()), float(reference.near_copies(rows).mean())


class Sieve:
    """Keeps those images of each batch that are no near-duplicates of what it kept before, no near copies, and, as a
    set, no nearer to training images than held-out ones.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._crowd, self._quotas = Crowd.of(reference.train), Quotas(reference.strangers)
        self._kept = np.empty((0, reference.train.shape[1]), np.float32)
        self._count, self._seen, self._apart = 0, 0, 0
        kinds = ("near_copies", "near_lonely", "near_duplicates", "over_quota", "quota_given_up", "let_through")
        self._found = dict.fromkeys(kinds, 0)

    def passed(self, pixels: NDArray[np.uint8], classes: Classes | None = None) -> Mask:
        """Return which images of a batch (B, H, W, C), of these classes (B,) if known, may stay: bool (B,)."""
        self._seen += len(pixels)
        if self._hopeless():
            self._found["let_through"] += len(pixels)
            return np.ones(len(pixels), bool)
        rows = small(pixels)
        distances, _ = nearest(rows, self.reference.train)
        copied = distances <= self.reference.held
        lonely = ~copied & (self._crowd.nearness(rows) <= self.reference.strangers.lonely)
        fresh = self._fresh(rows, ~copied & ~lonely)
        self._apart += int(fresh.sum())
        kept = fresh.copy()
        kept[fresh] = self._quotas.taken(distances[fresh], None if classes is None else classes[fresh])
        self._found["near_copies"] += int(copied.sum())
        self._found["near_lonely"] += int(lonely.sum())
        self._found["near_duplicates"] += int((~copied & ~lonely & ~fresh).sum())
        self._found["over_quota"] += int((fresh & ~kept).sum())
        self._found["quota_given_up"] = self._quotas.given_up
        self._keep(rows[kept])
        return kept

    def facts(self) -> dict[str, int]:
        """Return how many images were dropped for what, and how many came through where that was hopeless."""
        return dict(self._found)

    def _fresh(self, rows: Rows, asked: Mask) -> Mask:
        """Return which of the rows (B, D) asked for are near-duplicates neither of kept ones nor of each other."""
        fresh = asked & (nearest(rows, self._kept[: self._count])[0] > self.reference.own)
        fresh[fresh] = first_of_each(rows[fresh], self.reference.own)
        return fresh

    def _hopeless(self) -> bool:
        before = self._seen - self._found["let_through"]
        return bool(self._found["let_through"]) or (before > PATIENCE and self._apart * LEAST < before)

    def _keep(self, rows: Rows) -> None:
        wanted = self._count + len(rows)
        if wanted > len(self._kept):  # twice the room each time, so that millions are not copied for every batch
            room = np.empty((max(wanted, 2 * len(self._kept)), rows.shape[1]), np.float32)
            if self._count:
                room[: self._count] = self._kept[: self._count]
            self._kept = room
        self._kept[self._count : wanted] = rows
        self._count = wanted


def first_of_each(rows: Rows, mark: float) -> Mask:
    """Return which rows (B, D) lie farther than `mark` from every earlier one that is kept.

    >>> first_of_each(np.array([[0.0], [0.1], [1.0], [0.2]], np.float32), 0.15).tolist()
    [True, False, True, True]
    """
    kept = np.ones(len(rows), bool)
    near, _ = nearest(rows, rows, among_themselves=True)
    for at in np.flatnonzero(near <= mark):
        earlier = np.flatnonzero(kept[:at])
        kept[at] = nearest(rows[at : at + 1], rows[earlier])[0][0] > mark
    return kept


def _mark(distances: NDArray[np.float64]) -> float:
    known = distances[np.isfinite(distances)]
    return float(np.percentile(known, PERCENTILE)) if known.size else -1.0


def _none() -> NDArray[np.int64]:
    return np.empty(0, np.int64)
