"""`params.yaml` as frozen values: what is asked of each experiment, with every key known and every default visible.

A block needs little, because the rest has defaults:

    experiments:
      ward:
        source: drop/ward.csv
        licence: internal use only
        legal_basis: GDPR art. 9(2)(j), protocol 2026-17
        retention: P2Y
        target: outcome

A key that is not known is an error that names the nearest known one; a block without licence, legal basis or
retention is refused, since nobody can later say by what right the data were used. `class` is `confidential` unless
said otherwise.
"""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

DataClass = Literal["public", "confidential"]
Modality = Literal["tabular", "image", "relational"]

T = TypeVar("T")

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
RESERVED = frozenset({"records"})  # `data/records` holds every experiment's records
RETENTION = re.compile(r"P(?=\d)(\d+Y)?(\d+M)?(\d+D)?")  # an ISO 8601 duration in years, months and days


class ParamsError(ValueError):
    """`params.yaml` asks for something that cannot be done; the message is one line for the user."""


@dataclass(frozen=True)
class ModelParams:
    """Which synthesizer to train; the other keys are that model's own settings, checked by the model."""

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class GenerateParams:
    """How much to generate, `None` being as many items as there were training items, and which rows are wanted.

    `conditions`: column -> condition, as `synthtrail.data.conditions` describes; `target` stands for the target column.
    """

    count: int | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    distinct: bool = True  # of images: near-duplicates are drawn again

    @property
    def rows(self) -> int | None:
        """How many items are asked for, by `count` or by exact counts of classes; None if by neither."""
        exact = [sum(value.values()) for value in self.conditions.values() if counted(value)]
        return exact[0] if self.count is None and exact else self.count


@dataclass(frozen=True)
class ValidateParams:
    """The least that is accepted; the meaning of each stands in `synthtrail.evaluation.verdict`.

    The marks of the privacy gate are the project's own and cannot be turned down here.
    """

    utility_min: float | None = 0.95
    accuracy_min: float | None = None
    quality_min: float | None = 0.75
    distinct_min: float | None = 0.9
    sensitive: list[str] = field(default_factory=list)  # columns whose groups are to be treated alike
    gap_max: float | None = None


@dataclass(frozen=True)
class Experiment:
    """One block of `experiments:`; see the module docstring for what each key is for."""

    name: str
    source: str
    licence: str
    legal_basis: str
    retention: str
    model: ModelParams
    data_class: DataClass = "confidential"
    modality: Modality = "tabular"
    target: str | None = None
    group: str | None = None
    holdout: float = 0.2
    bins: int = 20
    read: Mapping[str, Any] = field(default_factory=dict)  # these seven are checked by synthtrail.data
    image: Mapping[str, Any] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)  # of related tables: `synthtrail.data.links`
    columns: Mapping[str, Any] = field(default_factory=dict)
    drop: list[str] = field(default_factory=list)
    constraints: list[Any] = field(default_factory=list)
    rare_min: int | None = None
    seed: int = 0
    devices: int | Literal["auto"] = 1
    generate: GenerateParams = field(default_factory=GenerateParams)
    validate: ValidateParams = field(default_factory=ValidateParams)


DEFAULT_MODEL: Mapping[str, str] = {"tabular": "vae", "image": "latent_gan", "relational": "relational"}
KEYS = {"class": "data_class"}  # `class` is a word of the language


def load(path: Path) -> dict[str, Experiment]:
    """Read every experiment of the `params.yaml` at `path`; raise `ParamsError` with one line if it is not in order."""
    import yaml  # noqa: PLC0415 - an auditor's commands import this package without PyYAML

    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{path}: no such file; run this from the root of the project") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ParamsError(f"{path}: not valid YAML: {reason}") from None
    top = mapping(document, str(path))
    reject_unknown(top, {"experiments"}, str(path))
    blocks = mapping(top.get("experiments"), f"{path}: experiments")
    return {str(name): parse(str(name), block) for name, block in blocks.items()}


def one(path: Path, name: str) -> Experiment:
    """Return the experiment called `name`; raise `ParamsError` naming the nearest one if there is none."""
    experiments = load(path)
    if name not in experiments:
        raise ParamsError(f"{path}: no experiment {name!r}{nearest(name, set(experiments))}")
    return experiments[name]


def parse(name: str, block: object) -> Experiment:
    """Turn one block of YAML values into an `Experiment`; raise `ParamsError` naming the key at fault."""
    where = f"params.yaml: experiments.{name}"
    if not NAME.fullmatch(name) or name in RESERVED:
        raise ParamsError(f"{where}: a name is lower-case letters, digits and _, and not {sorted(RESERVED)}")
    given = {KEYS.get(key, key): value for key, value in mapping(block, where).items()}
    modality = choice(given.get("modality", "tabular"), get_args(Modality), f"{where}.modality")
    model = dict(mapping(given.get("model", {}), f"{where}.model"))
    chosen = ModelParams(text(model.pop("name", DEFAULT_MODEL[modality]), f"{where}.model.name"), model)
    nested = {
        "model": chosen,
        "generate": generate_params(given.get("generate", {}), f"{where}.generate"),
        "validate": build(ValidateParams, validate_given(given, modality, where), f"{where}.validate"),
    }
    experiment = build(Experiment, {**given, "name": name} | nested, where, shown=frozenset(KEYS))
    check(experiment, where)
    return experiment


def validate_given(given: Mapping[str, Any], modality: str, where: str) -> Mapping[str, Any]:
    """Return the block `validate:`; related tables have no target, so no usefulness is asked for unless it is said."""
    values = mapping(given.get("validate", {}), f"{where}.validate")
    return {"utility_min": None, **values} if modality == "relational" else values


def generate_params(given: object, where: str) -> GenerateParams:
    """Read the block `generate:`."""
    asked = build(GenerateParams, given, where)
    return replace(asked, conditions=plain_conditions(asked.conditions, f"{where}.conditions"))


def check(experiment: Experiment, where: str) -> None:
    """Raise `ParamsError` unless every value of `experiment` is one that a stage can work with."""
    for key in ("source", "licence", "legal_basis"):
        text(getattr(experiment, key), f"{where}.{key}")
    choice(experiment.data_class, get_args(DataClass), f"{where}.class")
    if not RETENTION.fullmatch(text(experiment.retention, f"{where}.retention")):
        raise ParamsError(f"{where}.retention: {experiment.retention!r} is not a duration such as P10Y or P6M")
    for key in ("target", "group"):
        if getattr(experiment, key) is not None:
            text(getattr(experiment, key), f"{where}.{key}")
    if experiment.image and experiment.modality != "image":
        raise ParamsError(f"{where}.image: is for `modality: image`; take it out, or say so")
    if bool(experiment.tables) != (experiment.modality == "relational"):
        raise ParamsError(f"{where}.tables: goes with `modality: relational`; give both, or neither")
    number(experiment.holdout, f"{where}.holdout", float, lambda x: 0 < x < 1, "between 0 and 1")
    number(experiment.bins, f"{where}.bins", int, lambda x: 1 < x <= 1000, "between 2 and 1000")
    if experiment.rare_min is not None:
        number(experiment.rare_min, f"{where}.rare_min", int, lambda x: 1 <= x <= 10_000, "between 1 and 10000")
    if experiment.devices != "auto":
        number(experiment.devices, f"{where}.devices", int, lambda x: 1 <= x <= 64, "between 1 and 64, or auto")
    number(experiment.seed, f"{where}.seed", int, lambda x: 0 <= x < 2**32, "between 0 and 2^32 - 1")
    check_generate(experiment.generate, f"{where}.generate")
    if not isinstance(experiment.validate.sensitive, list) or not all(
        isinstance(name, str) for name in experiment.validate.sensitive
    ):
        raise ParamsError(f"{where}.validate.sensitive: expected a list of column names, such as [sex]")
    for key, value in vars(experiment.validate).items():
        if value is not None and key != "sensitive":
            number(value, f"{where}.validate.{key}", float, lambda x: 0 <= x <= 2, "between 0 and 2")


def check_generate(asked: GenerateParams, where: str) -> None:
    """Raise `ParamsError` unless the count and the form of every condition are in order; columns are checked later."""
    if asked.count is not None:
        number(asked.count, f"{where}.count", int, lambda x: x > 0, "above 0")
    if not isinstance(asked.distinct, bool):
        raise ParamsError(f"{where}.distinct: expected true or false, found {asked.distinct!r}")
    exact = [name for name, value in asked.conditions.items() if counted(value)]
    if len(exact) > 1:
        raise ParamsError(f"{where}.conditions: exact counts for {' and '.join(exact)}; only the target can have them")
    if exact:
        total = sum(asked.conditions[exact[0]].values())
        number(total, f"{where}.conditions.{exact[0]}", int, lambda x: x > 0, "above 0 in all")
        if asked.count not in (None, total):
            raise ParamsError(f"{where}: the counts of {exact[0]} add up to {total}, and count is {asked.count}")


def counted(value: object) -> bool:
    """Tell whether a condition asks for exact counts: `{class: count, ...}`."""
    if not isinstance(value, Mapping) or not value or set(value) <= {"min", "max"}:
        return False
    return all(isinstance(number, int) and not isinstance(number, bool) for number in value.values())


def plain_conditions(value: object, where: str) -> dict[str, Any]:
    """Return conditions with dates and class names as texts, so that a plan can hold them as JSON."""
    return {name: _plain(given, f"{where}.{name}") for name, given in mapping(value, where).items()}


def _plain(value: object, where: str) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item, where) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    if isinstance(value, date):  # YAML reads 2026-01-31 as one
        return value.isoformat()
    if not isinstance(value, str | int | float):
        raise ParamsError(f"{where}: {value!r} is no condition: a class, a list, {{class: count}} or {{min:, max:}}")
    return value


def build(cls: type[T], given: object, where: str, shown: frozenset[str] = frozenset()) -> T:
    """Construct the dataclass `cls` from the mapping `given`; unknown and missing keys raise `ParamsError`."""
    values = mapping(given, where)
    known = {f.name: f for f in fields(cls)}  # type: ignore[arg-type]
    reject_unknown(values, set(known), where, shown)
    missing = [
        name
        for name, f in known.items()
        if name not in values and f.default is MISSING and f.default_factory is MISSING
    ]
    if missing:
        raise ParamsError(f"{where}: {', '.join(missing)} must be given: every source states them")
    return cls(**values)


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """Return `value` if it is a mapping keyed by text, else raise `ParamsError`."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ParamsError(f"{where}: expected `key: value` lines, found {type(value).__name__}")
    return value


def text(value: object, where: str) -> str:
    """Return `value` if it is text with something in it, else raise `ParamsError`."""
    if not isinstance(value, str) or not value.strip():
        raise ParamsError(f"{where}: expected some text, found {value!r}")
    return value


def choice(value: object, allowed: tuple[str, ...], where: str) -> str:
    """Return `value` if it is one of `allowed`, else raise `ParamsError` naming the nearest."""
    if value not in allowed:
        hint = nearest(str(value), set(allowed))
        raise ParamsError(f"{where}: {value!r} is none of {', '.join(allowed)}{hint}")
    return str(value)


def number(value: object, where: str, kind: type, allowed: Callable[[Any], bool], words: str) -> None:
    """Raise `ParamsError` unless `value` is a number of `kind` for which `allowed` holds."""
    kinds = (int, float) if kind is float else (kind,)
    if isinstance(value, bool) or not isinstance(value, kinds) or not allowed(value):
        raise ParamsError(f"{where}: expected a number {words}, found {value!r}")


def reject_unknown(values: Mapping[str, Any], known: set[str], where: str, shown: frozenset[str] = frozenset()) -> None:
    """Raise `ParamsError` for the first key of `values` that is not `known`, naming the nearest that is."""
    for key in values:
        if key not in known:
            raise ParamsError(f"{where}: unknown key {key!r}{nearest(key, known | shown)}")


def nearest(word: str, known: set[str]) -> str:
    """Return ` (did you mean ...?)` for the known word nearest to `word`, or the list of all, or nothing."""
    close = difflib.get_close_matches(word, sorted(known), n=1)
    if close:
        return f" (did you mean {close[0]!r}?)"
    return f" (known: {', '.join(sorted(known))})" if known else ""
