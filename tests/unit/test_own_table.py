"""The way of a table of one's own: `try`, `new`, `enable`, `disable`."""

import argparse
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from synthtrail.cli import blocks, disable, enable, main, new
from synthtrail.cli.errors import CommandError
from synthtrail.params import parse

PARAMS = """\
# What stands here is built.
experiments:
  iris:
    source: catalog/sources/iris.yaml # flowers
    licence: CC-BY-4.0
    legal_basis: published
    class: public
    retention: P10Y
    validate:
      utility_min: null # no gate
"""
STATED = ["--licence", "internal use only", "--legal-basis", "GDPR art. 9(2)(j), protocol 7", "--retention", "P2Y"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with params.yaml, catalog/ and a table, in which commands run."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (tmp_path / "catalog").mkdir()
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.integers(20, 90, 120),
            "höhe, cm": np.round(rng.normal(170, 9, 120), 1),
            "outcome": rng.choice(["home", "ward"], 120),
            "note": [f"seen on day {i} by {i * 7 % 31}, rather {'un' * (i % 2)}well" for i in range(120)],
        }
    )
    frame.to_csv(tmp_path / "Station 4.csv", index=False)
    return tmp_path


def run(command: Any, *arguments: str) -> int:
    """Run a command's module."""
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return int(command.run(parser.parse_args(arguments)))


def experiments() -> dict[str, Any]:
    """The blocks of params.yaml."""
    return dict(yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["experiments"])


def test_new_adds_a_block_that_the_pipeline_accepts(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments and the other experiments stay; free text is left out, and said to be."""
    assert run(new, "ward", "--source", "Station 4.csv", "--target", "outcome", *STATED) == 0
    found = parse("ward", experiments()["ward"])
    assert (found.source, found.target, found.data_class, found.retention) == (
        "Station 4.csv",
        "outcome",
        "confidential",
        "P2Y",
    )
    assert found.drop == ["note"]
    text = (place / "params.yaml").read_text(encoding="utf-8")
    assert text.startswith(PARAMS)
    assert "note" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["iris", "--source", "Station 4.csv", *STATED], "already"),
        (["taken", "--source", "Station 4.csv", *STATED], "catalog/taken.yaml"),
        (["ward", "--source", "none.csv", *STATED], "none.csv: no such file"),
        (["ward", "--source", "alone", *STATED], "give the file itself, alone/ward.csv"),
        (["ward", "--source", "Station 4.csv", "--target", "outcom", *STATED], "did you mean 'outcome'"),
        (["ward", "--source", "Station 4.csv"], "give --licence, --legal-basis, --retention"),
        (["Ward 4", "--source", "Station 4.csv", *STATED], "lower-case letters"),
        (["ward", "--source", "Station 4.csv", *STATED[:-1], "two years"], "retention"),
    ],
)
def test_new_says_in_one_line_what_is_wrong(place: Path, arguments: list[str], words: str) -> None:
    """And leaves params.yaml as it was."""
    (place / "catalog/taken.yaml").write_text("source: x\n", encoding="utf-8")
    (place / "alone").mkdir()
    shutil.copy(place / "Station 4.csv", place / "alone/ward.csv")
    with pytest.raises(CommandError) as error:
        run(new, *arguments)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert (place / "params.yaml").read_text(encoding="utf-8") == PARAMS


def test_disabling_keeps_the_block_as_it_stood_and_enabling_brings_it_back(place: Path) -> None:
    """A block of one's own, and one that was changed since it was enabled, go to catalog/ first."""
    run(new, "ward", "--source", "Station 4.csv", *STATED)
    before = experiments()["ward"]
    (place / "catalog/ward.yaml").write_text("source: older\n", encoding="utf-8")
    run(disable, "ward")
    assert "ward" not in experiments()
    assert yaml.safe_load((place / "catalog/ward.yaml").read_text(encoding="utf-8")) == before
    run(enable, "ward")
    assert experiments()["ward"] == before
    assert "# flowers" in (place / "params.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", [enable, disable])
def test_an_unknown_name_names_the_nearest(place: Path, command: Any) -> None:
    """`enable` looks in catalog/, `disable` in params.yaml."""
    (place / "catalog/irus_cgan.yaml").write_text("source: x\n", encoding="utf-8")
    with pytest.raises(CommandError, match="did you mean 'ir"):
        run(command, "irs_cgan" if command is enable else "irs")


@pytest.mark.parametrize(
    ("file", "name"), [("Station 4 – Ärzte.csv", "station_4_arzte"), ("2024.csv", "table_2024"), ("....csv", "table")]
)
def test_a_files_name_gives_a_name_that_params_accept(file: str, name: str) -> None:
    """Letters without accents, digits and underscores."""
    assert blocks.name_for(Path(file)) == name
    parse(name, {"source": "x", "licence": "x", "legal_basis": "x", "retention": "P1Y"})


@pytest.mark.parametrize("target", [None, "y", "naïve: \"quoted\" 'text'", "12", "no"])
def test_the_printed_block_is_yaml_that_only_lacks_what_the_user_knows(target: str | None) -> None:
    """Filled in, it is accepted; as it is, it is refused, since a source must state these."""
    block = yaml.safe_load(blocks.text("ward", "drop/a b.csv", target, ("a, b", "c")))["ward"]
    assert (block["source"], block.get("target"), block["drop"]) == ("drop/a b.csv", target, ["a, b", "c"])
    assert [key for key, value in block.items() if value is None] == list(blocks.STATED)
    parse("ward", block | {"licence": "x", "legal_basis": "x", "retention": "P1Y"})


def test_a_try_writes_a_page_and_rows_and_nothing_else(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The page is confidential and self-contained; rows have the real columns but for what was left out."""
    before = set(place.rglob("*"))
    assert main.main(["try", "Station 4.csv", "--target", "outcome"]) == 0
    made = set(place.rglob("*")) - before
    assert {path.name for path in made} == {"station_4-try.html", "station_4-try.csv"}
    rows = pd.read_csv(place / "station_4-try.csv")
    assert list(rows.columns) == ["age", "höhe, cm", "outcome"]
    assert len(rows) == 96
    html = (place / "station_4-try.html").read_text(encoding="utf-8")
    assert "First try, not a release" in html
    assert "seen on day" not in html
    assert "<script" not in html
    said = capsys.readouterr()
    assert "synthtrail new station_4" in said.out
    assert "legal_basis:      # fill in" in said.out
    assert "learning from 96 rows" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.csv"], "no such file"),
        (["Station 4.csv", "--target", "outcme"], "outcme"),
        (["Station 4.csv", "-o", "page.pdf"], ".html"),
        (["Station 4.csv", "-o", "nowhere/page.html"], "no such folder"),
        (["Station 4.csv", "-o", "Station 4.html"], "the source itself"),
    ],
)
def test_a_try_says_in_one_line_what_is_wrong(
    place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    """And writes nothing."""
    before = set(place.rglob("*"))
    assert main.main(["try", *arguments]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("[")]
    assert words in line
    assert set(place.rglob("*")) == before


def test_a_smoke_profile_stands_beside_its_experiment(place: Path) -> None:
    """It goes in under a name of its own, changed where its file says, and out again without a trace."""
    (place / "catalog/smoke").mkdir()
    block = "source: catalog/sources/iris.yaml\nlicence: x\nlegal_basis: x\nclass: public\nretention: P1Y\n"
    (place / "catalog/ward.yaml").write_text(f"{block}model:\n  name: cgan\n  steps: 900\n", encoding="utf-8")
    (place / "catalog/smoke/ward.yaml").write_text("model:\n  steps: 5\ngenerate:\n  count: 9\n", encoding="utf-8")
    run(enable, "ward")
    run(enable, "ward", "--smoke")
    full, smoke = experiments()["ward"], experiments()["ward_smoke"]
    assert smoke == full | {"model": {"name": "cgan", "steps": 5}, "generate": {"count": 9}}
    run(disable, "ward_smoke")
    assert sorted(path.name for path in (place / "catalog").rglob("*.yaml")) == ["ward.yaml", "ward.yaml"]
    assert experiments()["ward"] == full
    (place / "catalog/other.yaml").write_text(block, encoding="utf-8")
    with pytest.raises(CommandError, match=r"no smoke profile of 'other' in catalog/smoke/ \(ward\); enable it"):
        run(enable, "other", "--smoke")
