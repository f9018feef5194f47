"""`params.yaml`: what is accepted, and the one line that says what is not."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from synthtrail import params
from synthtrail.params import ParamsError

LEAST: dict[str, Any] = {
    "source": "drop/ward.csv",
    "licence": "internal",
    "legal_basis": "GDPR art. 9(2)(j)",
    "retention": "P2Y",
}


def test_a_few_lines_are_enough_and_data_are_confidential_unless_said_otherwise() -> None:
    """The least block has every default filled in, with class `confidential`."""
    experiment = params.parse("ward", LEAST)
    assert experiment.data_class == "confidential"
    assert experiment.model.name == "vae"
    assert (experiment.seed, experiment.holdout, experiment.generate.count) == (0, 0.2, None)


@pytest.mark.parametrize("key", ["source", "licence", "legal_basis", "retention"])
def test_a_source_without_its_right_of_use_is_refused(key: str) -> None:
    """Each of the four statements is required by name."""
    block = {name: value for name, value in LEAST.items() if name != key}
    with pytest.raises(ParamsError, match=f"experiments.ward: {key} must be given"):
        params.parse("ward", block)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tarket": "x"}, r"experiments\.ward: unknown key 'tarket' \(did you mean 'target'\?\)"),
        ({"klass": "public"}, r"unknown key 'klass' \(did you mean 'class'\?\)"),
        ({"class": "publik"}, r"'publik' is none of public, confidential \(did you mean 'public'\?\)"),
        ({"licence": " "}, r"licence: expected some text"),
        ({"retention": "ten years"}, r"'ten years' is not a duration such as P10Y"),
        ({"holdout": 1}, r"holdout: expected a number between 0 and 1, found 1"),
        ({"seed": -1}, r"seed: expected a number between 0 and 2\^32 - 1, found -1"),
        ({"seed": True}, r"seed: expected a number"),
        ({"generate": {"count": 0}}, r"generate\.count: expected a number above 0, found 0"),
        ({"generate": {"rows": 5}}, r"generate: unknown key 'rows' \(known: conditions, count, distinct\)"),
        ({"generate": {"conditions": "ill"}}, r"generate\.conditions: expected `key: value` lines"),
        ({"generate": {"conditions": {"age": None}}}, r"generate\.conditions\.age: None is no condition"),
        ({"generate": {"conditions": {"a": {"x": 0}}}}, r"generate\.conditions\.a: expected a number above 0 in all"),
        ({"generate": {"count": 9, "conditions": {"a": {"x": 3}}}}, "the counts of a add up to 3, and count is 9"),
        ({"generate": {"conditions": {"a": {"x": 3}, "b": {"y": 3}}}}, "exact counts for a and b"),
        ({"validate": {"utility_mim": 1}}, r"validate: unknown key 'utility_mim' \(did you mean 'utility_min'\?\)"),
        ({"model": "wgan_gp"}, r"model: expected `key: value` lines, found str"),
    ],
)
def test_a_block_that_cannot_be_used_is_one_line_that_names_the_key(change: dict[str, Any], message: str) -> None:
    """Every refusal names the key at fault."""
    with pytest.raises(ParamsError, match=message) as refusal:
        params.parse("ward", LEAST | change)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["Ward", "a b", "../x", "records", "", "a-b"])
def test_names_that_could_not_be_folders_are_refused(name: str) -> None:
    """A name becomes a folder and a slot; it can lead nowhere else."""
    with pytest.raises(ParamsError, match="a name is lower-case letters"):
        params.parse(name, LEAST)


def test_seed_zero_is_a_seed() -> None:
    """Zero is not the absence of a seed."""
    assert params.parse("ward", LEAST | {"seed": 0}).seed == 0


def test_files_that_are_not_params_are_one_line(tmp_path: Path) -> None:
    """A missing file, broken YAML and an unknown experiment each say so."""
    path = tmp_path / "params.yaml"
    with pytest.raises(ParamsError, match="no such file"):
        params.load(path)
    path.write_text("experiments: [", encoding="utf-8")
    with pytest.raises(ParamsError, match="not valid YAML"):
        params.load(path)
    path.write_text("experiments: {}\nexperimints: {}", encoding="utf-8")
    with pytest.raises(ParamsError, match="unknown key 'experimints'"):
        params.load(path)
    path.write_text("experiments: {}", encoding="utf-8")
    with pytest.raises(ParamsError, match="no experiment 'iris'"):
        params.one(path, "iris")


def test_conditions_become_plain_values_and_exact_counts_a_number_of_rows() -> None:
    """Dates and class names of any type are texts, so that a plan can hold them; `count` may be left out."""
    block = LEAST | {"generate": {"conditions": {"day": {"min": date(2026, 1, 2)}, "target": {2: 30, True: 20}}}}
    generate = params.parse("ward", block).generate
    assert generate.conditions == {"day": {"min": "2026-01-02"}, "target": {"2": 30, "True": 20}}
    assert generate.rows == 50
    assert (
        params.parse("ward", LEAST | {"generate": {"conditions": {"age": {"min": 1, "max": 2}}}}).generate.rows is None
    )
