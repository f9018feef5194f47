"""Generating more from a finished run: a new artifact under a label, with its own record, in a slot of its own.

    make_more(Order("iris", "big", count=1_000_000), print)

    data/iris/more/big/synthetic/          the artifact; data/iris/model is its input
    data/records/iris.big/generate.json    its record, in the slot iris.big/generate

It is signed at once, and belongs to no DVC stage, so `dvc repro` neither removes nor makes it again. Like all that is
generated, it can be approved and offered only if it was judged: `judge_more` does that, in the slot iris.big/validate.
"""

import hashlib
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from synthtrail.custody import digest
from synthtrail.stages.context import Context, StageError
from synthtrail.stages.found import Found, find_one, labelled, read
from synthtrail.stages.generate import generate
from synthtrail.stages.layout import Layout
from synthtrail.stages.plan import Plan, read_plan
from synthtrail.stages.sign import sign_found
from synthtrail.storage.custodian import establish
from synthtrail.storage.files import write_json
from synthtrail.storage.home import shared_root

LABEL = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class Order:
    """What is asked for; without a seed, one that follows from the run's own and the label.

    `model` is a label under which the experiment's model was trained on; without it, rows come from that model itself.
    """

    experiment: str
    label: str
    count: int | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    seed: int | None = None
    model: str | None = None

    @property
    def name(self) -> str:
        """The name of the label's slots."""
        return f"{self.experiment}.{self.label}"


def make_more(order: Order, say: Callable[[str], None]) -> Found:
    """Generate what is ordered, sign it, and return its record; an order that was carried out already is only signed.

    Raises `StageError` if the run is not finished and signed, or the label is taken by another order.
    """
    check_label(order)
    check_finished(order.experiment, source_of(order))
    layout, plan = Layout(order.name), plan_of(order)
    path = layout.plan("generate")
    if layout.record("preprocess").exists():
        raise StageError(f"{order.label!r} names completed rows of {order.experiment}; choose another label")
    if layout.record("generate").exists():
        if not path.exists() or read_plan(path) != plan:
            raise StageError(f"{order.label!r} is taken by another order of {order.experiment}; choose another label")
    else:
        with nothing_left(layout.base, layout.record("generate")):
            write_json(path, plan)
            generate(Context.begin(order.name, "generate"))
    sign_found(find_one(order.name), say)
    return read(layout.record("generate"))


def judge_more(name: str, say: Callable[[str], None]) -> Found:
    """Judge what was generated under the label `name`, sign the verdict, and return its record."""
    from synthtrail.stages.validate import validate  # noqa: PLC0415 - seconds of start-up that generating needs not

    layout = Layout(name)
    plan = read_plan(Layout(name.partition(".")[0]).plan("validate"))
    count = read_plan(layout.plan("generate"))["count"]
    made = (layout.report, layout.figures, layout.diagnostics, layout.metrics, layout.plan("validate"))
    with nothing_left(*made, layout.record("validate")):
        write_json(layout.plan("validate"), plan | {"count": count})
        validate(Context.begin(name, "validate"))
    sign_found(find_one(name), say)
    return read(layout.record("validate"))


def plan_of(order: Order) -> Plan:
    """Return the plan of the order: that of the run, with what the order changes."""
    plan = read_plan(Layout(order.experiment).plan("generate"))
    seed = order.seed if order.seed is not None else derived_seed(plan["seed"], order.label)
    model = {} if order.model is None else {"model": Layout(source_of(order)).own("model").as_posix()}
    return plan | {"count": order.count, "conditions": dict(order.conditions), "seed": seed} | model


def source_of(order: Order) -> str:
    """Return the name of the experiment, or of its label, whose model the rows come from."""
    return order.experiment if order.model is None else f"{order.experiment}.{order.model}"


def derived_seed(seed: int, label: str) -> int:
    """Return a seed below 2^32 that is another for every label, lest the rows of the run be drawn again."""
    return int.from_bytes(hashlib.sha256(f"{seed} {label}".encode()).digest()[:4], "big")


def free_label(experiment: str) -> str:
    """Return the first number that is no label of the experiment yet."""
    taken = {name.partition(".")[2] for name in labelled(experiment)}
    return next(str(number) for number in range(1, len(taken) + 2) if str(number) not in taken)


class Labelled(Protocol):
    """An order for something under a label."""

    @property
    def label(self) -> str:
        """The label."""
        ...


def check_label(order: Labelled) -> None:
    """Raise `StageError` unless the label can be part of a path."""
    if not LABEL.fullmatch(order.label):
        raise StageError(f"label {order.label!r}: a label is lower-case letters, digits, - and _")


def check_finished(experiment: str, name: str | None = None) -> None:
    """Raise `StageError` unless the model is here as its record says, and was signed.

    It is the experiment's own, or that of the label if `name` is one of its labels.
    """
    name = name or experiment
    layout, path = Layout(name), Layout(name).own("model")
    again = f"`synthtrail repro {experiment}` makes and signs it"
    if name != experiment:
        again = f"`synthtrail train {experiment} --more STEPS --label {name.partition('.')[2]}` makes and signs it"
    if not layout.record("train").exists() or not Layout(experiment).plan("generate").exists():
        raise StageError(f"{name}: no finished run here; {again}")
    model = read(layout.record("train")).record.subject
    if not path.exists() or digest.artifact(path).sha256 != model.digest.hex():
        raise StageError(f"{path} is not the model that its record states; {again}")
    status = establish(shared_root()).ledger.state.status(model.digest)
    if status in ("absent", "condemned", "disposed"):
        said = "not signed yet" if status == "absent" else status
        raise StageError(f"{path}: the model is {said}, so nothing can be made from it; {again}")


@contextmanager
def nothing_left(*made: Path) -> Iterator[None]:
    """Remove what was made in the block if it is left before its record, the last of `made`, was written."""
    try:
        yield
    except BaseException:
        if not made[-1].exists():
            for path in made:
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
            with suppress(OSError):  # not empty, and then it stays
                made[0].parent.rmdir()
        raise
