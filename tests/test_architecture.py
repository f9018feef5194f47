"""Who may import whom: the layers, the lean core, and DVC's dependencies against the code that stages really use."""

import sys
from pathlib import Path

import pytest
import yaml

from synthtrail import params
from synthtrail.models import registry
from tests.imports import ROOT, closure, imports, loaded_by, modules, ours

LAYERS = (
    {"custody"},
    {"params", "storage"},
    {"models", "evaluation", "data"},
    {"lineage", "tracking", "handover"},
    {"stages"},
    {"cli"},
)
"""Lowest first; a module imports from its own layer and from those below."""

HEAVY = {
    "great_expectations",
    "lightning",
    "matplotlib",
    "mlflow",
    "numpy",
    "pandas",
    "pyarrow",
    "sklearn",
    "torch",
    "yaml",
}

SIGNING = ("custody", "lineage", "storage.home", "storage.keys", "storage.custodian", "storage.disposed")
NOT_OF_THE_BYTES = (*SIGNING, "tracking", "stages.command")
"""Code that signs, tracks, or finds folders: it does not change what a stage makes, so in DVC no stage needs it."""


def room(module: str) -> str:
    """Return the part of the package that a module belongs to."""
    return [*module.split("."), ""][1]


def layer(module: str) -> int:
    """Return the number of the layer that a module belongs to."""
    return next(number for number, rooms in enumerate(LAYERS) if room(module) in rooms)


def below(prefixes: tuple[str, ...], module: str) -> bool:
    """Tell whether the module is one of `prefixes` (without the package's name) or below it."""
    inner = module.removeprefix("synthtrail.")
    return any(inner == prefix or inner.startswith(f"{prefix}.") for prefix in prefixes)


@pytest.mark.parametrize("name", sorted(set(modules()) - {"synthtrail"}))
def test_arrows_only_point_down(name: str) -> None:
    """No module imports one of a higher layer, not even lazily."""
    upward = {other for other in ours(modules()[name]) if other != "synthtrail" and layer(other) > layer(name)}
    assert not upward


def test_there_are_no_cycles() -> None:
    """No module imports itself by a detour."""
    looped = {name for name, path in modules().items() if name in closure(path)}
    assert not looped


def test_the_core_imports_the_standard_library_and_cryptography_only() -> None:
    """`synthtrail.custody` stands alone."""
    core = {name: path for name, path in modules().items() if below(("custody",), name)}
    assert core
    for name, path in core.items():
        outside = {
            module
            for module in imports(path)
            if module.split(".")[0] not in sys.stdlib_module_names | {"cryptography"}
            and not module.startswith("synthtrail.custody")
        }
        assert not outside, name


def test_only_tracking_imports_mlflow() -> None:
    """One module knows the tracking server, and one the expectations library."""
    by_mlflow = {name for name, path in modules().items() if any(i.split(".")[0] == "mlflow" for i in imports(path))}
    by_expectations = {
        name for name, path in modules().items() if any(i.split(".")[0] == "great_expectations" for i in imports(path))
    }
    assert by_mlflow == {"synthtrail.tracking"}
    assert by_expectations == {"synthtrail.evaluation.expectations"}


@pytest.mark.parametrize(
    "command",
    [
        *("verify", "audit", "offline", "page", "fsck", "explain", "show", "init", "export", "generate", "reproduce"),
        *("key", "inbox", "accept"),
    ],
)
def test_an_auditors_commands_load_no_ml_library(command: str) -> None:
    """The command line starts without numpy, pandas, torch, mlflow or pyarrow."""
    code = f"import synthtrail.cli.main, synthtrail.cli.{command.replace('-', '_')}"
    assert not {name.split(".")[0] for name in loaded_by(code)} & HEAVY


def test_no_module_can_pickle() -> None:
    """Neither pickle nor its relatives are imported anywhere, and no weights are loaded by `torch.load`."""
    for name, path in modules().items():
        assert not {i.split(".")[0] for i in imports(path)} & {"pickle", "cPickle", "dill", "joblib", "shelve"}, name
        text = path.read_text(encoding="utf-8")
        assert "torch.load(" not in text, name
        assert "torch.save(" not in text, name


@pytest.mark.parametrize("stage", ["ingest", "preprocess", "train", "generate", "validate"])
def test_a_stage_depends_in_dvc_on_exactly_the_code_it_uses(stage: str) -> None:
    """Every module that affects the bytes is a dependency, lest a change go unnoticed; none is named in vain."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    named = [Path(dep) for dep in stages[stage]["do"]["deps"] if dep.startswith(("src/", "pipelines/"))]
    script = Path("pipelines") / f"{stage}.py"
    known = modules()
    used = {
        known[name].relative_to(ROOT)
        for name in closure(ROOT / script, skip=lambda name: below(NOT_OF_THE_BYTES, name))
        if known[name].name != "__init__.py"
    } | {script}
    unnamed = {path for path in used if not any(dep == path or dep in path.parents for dep in named)}
    unused = {dep for dep in named if not any(dep == path or dep in path.parents for path in used)}
    assert not unnamed
    assert not unused


@pytest.mark.parametrize("path", sorted((ROOT / "catalog").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_block_of_the_catalog_can_be_turned_on(path: Path) -> None:
    """What `synthtrail enable` copies is a block that params.yaml accepts, on a source and a model that exist."""
    experiment = params.parse(path.stem, yaml.safe_load(path.read_text(encoding="utf-8")))
    assert (ROOT / experiment.source).exists()
    registry.create(experiment.model.name, experiment.model.settings)


def test_what_is_on_can_be_read() -> None:
    """params.yaml itself is in order."""
    assert {"breast_cancer", "iris", "wine", "digits"} <= set(params.load(ROOT / "params.yaml"))
