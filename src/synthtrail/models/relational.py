"""Related tables and sequences: subjects first, then below each row its children, one after the other.

A subject is drawn like a row of a table; among its columns is how many rows each child table has below it. Each of
these rows is then drawn given its parent and all ancestors, the row before it, and where it stands; and so are theirs.
The steps are made by decision trees or by a masked network (`steps`), so nothing is learnt here that `cart` or `masked`
could not: what is new is what a step knows (cf. Patki, Wedge, Veeramachaneni 2016, doi:10.1109/DSAA.2016.49, whose
tables know their children as sums; Gueye, Attabi, Dumas 2023, arXiv 2210.14788, go row by row).

What is kept by construction: every child has a parent, the numbers of children, the order in time (a gap is never below
zero where no real one is). Other orders between moments are `Rule`s: a row that breaks one is drawn again, up to
`TRIES` times; then it is left out, unless some real rows break the rule as well. `repairs` counts both.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthtrail.data import links
from synthtrail.data.relational import RelationalCodec, stands
from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import PREVIOUS
from synthtrail.data.unrolled import Flats, unroll
from synthtrail.models.conditional import ConditionalModel
from synthtrail.models.errors import ModelError
from synthtrail.models.masked import MaskedSettings
from synthtrail.models.relational_draw import Drawing
from synthtrail.models.steps import Named, NetworkStep, Rows, Sizes, Step, TreeStep, nothing, together, with_none
from synthtrail.models.synthesizer import Training

Ints = NDArray[np.int64]
MOST_ROWS = 100_000  # of a table, from which a step is learnt
SHOWN = 300  # subjects
FEW = 30  # rows in a leaf


@dataclass(frozen=True)
class RelationalSettings:
    """Settings of `Relational`: what makes the steps, and how.

    Trees: `least` rows of `subjects` different subjects in each leaf at least, `smoothing` as of `cart`. Masked: as of
    `masked`; None is decided by the number of rows.
    """

    learner: Literal["cart", "masked"] = "cart"
    least: int = FEW
    subjects: int = 5
    smoothing: float = 0.0
    steps: int | None = None
    batch: int | None = None
    width: int | None = None


class Relational(ConditionalModel[Relations, RelationalCodec, RelationalSettings]):
    """Good for several tables with keys between them, and for sequences of events; the only one for them.

    Learner `cart` takes seconds; `masked` takes minutes, and pays where there are thousands of subjects.
    """

    name: ClassVar[str] = "relational"
    modality: ClassVar[str] = "relational"
    batch: ClassVar[int] = 1000  # subjects

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.steps: dict[str, Step] = {}
        self.repairs = {"drawn again": 0, "left out": 0}

    @classmethod
    def settings_class(cls) -> type[RelationalSettings]:
        """Return the dataclass of the settings."""
        return RelationalSettings

    @classmethod
    def read_codec(cls, value: Mapping[str, Any]) -> RelationalCodec:
        """Read the codec."""
        return RelationalCodec.from_json(value)

    def classes(self) -> tuple[str, ...]:
        """Return no classes: subjects have none."""
        return ()

    def fit(self, data: Relations, codec: RelationalCodec, training: Training) -> None:
        """Learn from training rows (see `Synthesizer.fit`); `ModelError` for more than one device."""
        if training.devices > 1:
            raise ModelError(f"{self.name} learns on one device; set `devices: 1`")
        super().fit(data, codec, training)
        shown = next(iter(self.sample(min(SHOWN, len(data)), seed=training.seed)))
        training.samples.draw(1, 1, shown)
        self.repairs = dict.fromkeys(self.repairs, 0)

    def learn(self, data: Relations, training: Training) -> NDArray[np.float64]:
        """Learn the step of each table; return the one share there is."""
        flats = unroll(data, self.codec.schema)
        codes = {name: self.codec.encode(name, flat.rows) for name, flat in flats.items()}
        s = self.settings
        network = MaskedSettings(steps=s.steps, batch=s.batch, width=s.width)
        sizes = Sizes(s.least, s.subjects, s.smoothing, network)
        self.steps = self.fresh()
        for name, step in self.steps.items():
            rows = self.rows(name, flats, codes, training.seed)
            step.learn(rows, sizes, named(training, name))
        self.facts = {"steps": {name: step.facts for name, step in self.steps.items()}}
        return np.ones(1)

    def fresh(self) -> dict[str, Step]:
        """Return an untrained step for each table that has something to learn."""
        make = TreeStep if self.settings.learner == "cart" else NetworkStep
        found: dict[str, Step] = {}
        for name, own in self.codec.tables.items():
            codec = together(known(self.codec, name), own)
            if own.columns:
                width = len(codec.columns) - len(own.columns)
                standing = self.codec.standing.get(name)
                before = None if standing is None else width - len(standing.columns) - len(own.columns)
                found[name] = make(codec, width, before)
        return found

    def rows(self, name: str, flats: Flats, codes: Mapping[str, Ints], seed: int) -> Rows:
        """Return the training rows of a table's step, `MOST_ROWS` at most."""
        flat = flats[name]
        parts = []
        at = flat.parent
        for above in links.ancestors(self.codec.schema.links, name):
            parts.append(codes[above][at])
            at = flats[above].parent[at]
        if name in self.codec.standing:
            first = flat.place == 0
            before = np.roll(codes[name], 1, axis=0)  # rows of a parent follow one another
            before[first] = nothing(with_none(self.codec.tables[name]))
            parts += [before, self.codec.standing[name].encode(stands(flats, self.codec.schema, name))]
        said, later = applies(self.codec, name, flat.place), flat.place > 0
        rows = Rows(np.concatenate([*parts, codes[name]], axis=1), said, later, flat.root)
        if len(flat) <= MOST_ROWS:
            return rows
        some = np.sort(np.random.default_rng(seed).permutation(len(flat))[:MOST_ROWS])
        return Rows(rows.codes[some], rows.applies[some], rows.later[some], rows.whose[some])

    def state(self) -> dict[str, Tensor]:
        """Return the steps' tensors."""
        return {f"{name}/{key}": value for name, step in self.steps.items() for key, value in step.state().items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the steps' tensors."""
        self.steps = self.fresh()
        for name, step in self.steps.items():
            own = {key.partition("/")[2]: value for key, value in state.items() if key.partition("/")[0] == name}
            step.restore(own, self.facts["steps"][name], self.settings.smoothing)

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> Relations:
        """Make a subject for each class, with all that is theirs; keys are row numbers."""
        drawing = Drawing(self.codec, self.steps, random, first, applies)
        made = drawing.made(len(classes))
        self.repairs = {name: count + drawing.repairs[name] for name, count in self.repairs.items()}
        return made


def known(codec: RelationalCodec, name: str) -> list[tuple[str, Any]]:
    """Return the codecs of what a step knows, each with its name: ancestors, the row before, where the row stands."""
    above = [(other, codec.tables[other]) for other in links.ancestors(codec.schema.links, name)]
    if name not in codec.standing:
        return above
    return [*above, ("before", with_none(codec.tables[name])), ("standing", codec.standing[name])]


def applies(codec: RelationalCodec, name: str, place: Ints) -> NDArray[np.bool_]:
    """Return which learnt columns have something to say in rows at these places (N, C)."""
    telling, order = codec.schema.told[name], codec.schema.link(name).order
    said = np.ones((len(place), len(codec.tables[name].columns)), dtype=bool)
    for at, column in enumerate(codec.tables[name].schema):
        moment = telling.of(column.name)
        if moment is not None and moment.column == order:
            said[:, at] = place > 0 if moment.base == PREVIOUS else place == 0
    return said


def named(training: Training, name: str) -> Training:
    """Return the training of one table's step."""
    return Training(**{**vars(training), "curves": Named(training.curves, name)})
