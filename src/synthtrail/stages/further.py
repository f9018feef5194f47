"""Training a finished model on: a new model under a label, with its own record, in which the earlier one is an input.

    train_on(Further("iris", "long", steps=400), print)

    data/iris/model                        the ancestor: an input by its digest, so `explain` tells of both trainings
    data/iris/more/long/model              what came of it; curves/ and samples/ beside it
    data/records/iris.long/train.json      its record, in the slot iris.long/train

It is signed at once and belongs to no DVC stage: `dvc repro` makes an experiment from its source and nothing else, and
must give the same bytes in every checkout, so what a stage makes cannot hang on which model happened to lie there.
`synthtrail generate iris --model long` generates from it. A label's model can be trained on in its turn.
"""

from collections.abc import Callable
from dataclasses import dataclass

from synthtrail.stages import more
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.found import Found, find_one, read
from synthtrail.stages.layout import Layout
from synthtrail.stages.plan import Plan, read_plan
from synthtrail.stages.sign import sign_found
from synthtrail.stages.train import train
from synthtrail.storage.files import write_json


@dataclass(frozen=True)
class Further:
    """What is asked for; `model` is the label whose model is trained on, without it that of the experiment itself.

    Without a seed, one that follows from the run's own and the label.
    """

    experiment: str
    label: str
    steps: int
    model: str | None = None
    seed: int | None = None

    @property
    def name(self) -> str:
        """The name of the label's slots."""
        return f"{self.experiment}.{self.label}"

    @property
    def ancestor(self) -> str:
        """The name of the experiment, or of its label, whose model is trained on."""
        return self.experiment if self.model is None else f"{self.experiment}.{self.model}"


def train_on(order: Further, say: Callable[[str], None]) -> Found:
    """Train on as ordered, sign, and return the record; an order that was carried out already is only signed.

    Raises `StageError` if the ancestor is not finished and signed, or the label is taken by another order.
    """
    more.check_label(order)
    more.check_finished(order.experiment, order.ancestor)
    layout, plan = Layout(order.name), plan_of(order)
    path = layout.plan("train")
    if layout.record("train").exists() or layout.record("generate").exists():
        if not path.exists() or read_plan(path) != plan:
            raise StageError(f"{order.label!r} is taken by another order of {order.experiment}; choose another label")
    else:
        made = (layout.base, layout.record("train"))
        with more.nothing_left(*made):
            write_json(path, plan)
            train(Context.begin(order.name, "train"))
    sign_found(find_one(order.name), say)
    return read(layout.record("train"))


def plan_of(order: Further) -> Plan:
    """Return the plan of the order: that of the run, with what the order changes."""
    plan = read_plan(Layout(order.experiment).plan("train"))
    seed = order.seed if order.seed is not None else more.derived_seed(plan["seed"], order.label)
    model = Layout(order.ancestor).own("model").as_posix()
    return plan | {"devices": 1, "seed": seed, "more": {"steps": order.steps, "model": model}}
