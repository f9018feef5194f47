"""Lineage in other forms: complete, as the ledger tells it, and well-formed in the eyes of the forms' own libraries."""

import argparse
import importlib.util
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from synthtrail.cli import export
from synthtrail.cli.errors import CommandError
from synthtrail.custody import acts, canonical, lineage
from synthtrail.handover.exports import crate, past, prov
from synthtrail.handover.exports.past import Deed
from tests.unit.custody.forgery import bundle_path
from tests.unit.custody.ledger_factory import (
    BOB,
    OPERATOR,
    ORIGIN,
    STAGES,
    World,
    good_world,
    inputs_of,
    item,
    make_record,
)

BEGAN = datetime(2026, 1, 1, 11, tzinfo=UTC)

# Recommendations that this export does not follow, and why.
NOT_FOLLOWED = {
    "process-run-crate-0.5_3.2": "code has no address: the ledger knows its digest",
    "process-run-crate-0.5_5.1": "likewise",
    "workflow-ro-crate-1.0_6.1": "there is no README.md: the description of the root says what it would",
    "workflow-ro-crate-1.0_6.2": "likewise",
    "workflow-ro-crate-1.0_8.1": "the workflow is a list of stages, not a registered workflow",
    "ro-crate-1.1_22.1": "no licence of the lineage itself is known; that of each source is told",
    "ro-crate-1.1_22.3": "who publishes the crate is not known when it is made",
    "ro-crate-1.1_27.1": "a record does not tell a file's format",
    "ro-crate-1.1_28.1": "artifacts are named by content, so there is nothing to fetch",
    "ro-crate-1.1_31.2": "of an organisation the ledger knows the name",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return good_world(tmp_path / "world", quorum=0)


def told_of(world: World, *artifacts: bytes) -> list[Deed]:
    return past.deeds(world.ledger.state, world.ledger.log, artifacts)


def report_of(world: World) -> list[Deed]:
    """The deeds behind the report on iris."""
    return told_of(world, item("iris", "validate").digest)


def test_deeds_are_the_steps_of_the_trace(world: World) -> None:
    told = report_of(world)
    assert [deed.step for deed in told] == lineage.trace(
        world.ledger.state, world.ledger.log, item("iris", "validate").digest
    )
    assert [deed.stage for deed in told] == list(STAGES)
    assert told[0].source == {"licence": "CC0-1.0"}
    assert [deed.verdict for deed in told] == ["", "", "", "", "pass"]
    assert all(deed.key is not None and deed.key.verifier == OPERATOR.verifier for deed in told)
    assert told_of(world, bytes(32)) == []


def test_several_artifacts_share_their_past(world: World) -> None:
    """Each step is told once, and what the latest records made is all of both experiments."""
    both = told_of(world, item("iris", "generate").digest, item("iris", "validate").digest)
    assert both == report_of(world)
    everything = told_of(world, *past.latest(world.ledger.state))
    assert len({deed.step.slot for deed in everything}) == len(everything) == 10


def test_times_are_the_runs_own_where_it_told_them(world: World) -> None:
    """Else the time of signing stands for both; a note that is no time, or ends before it begins, is not believed."""
    notes: list[list[tuple[str, str]]] = [
        [("started", canonical.format_time(BEGAN)), ("finished", canonical.format_time(BEGAN + timedelta(seconds=9)))],
        [("started", "yesterday"), ("finished", "2026-01-01T11:00:00")],
        [("started", canonical.format_time(BEGAN + timedelta(days=900)))],
    ]
    found = []
    for version, context in enumerate(notes, start=2):
        at = world.tick()
        made = make_record("iris", "ingest", version)
        world.append(acts.made(world.ledger.state, made, OPERATOR, at=at, context=context))
        (deed,) = told_of(world, item("iris", "ingest", version).digest)
        found.append((deed.began, deed.ended, at))
    assert found[0][:2] == (BEGAN, BEGAN + timedelta(seconds=9))
    assert all(began == ended == at for began, ended, at in found[1:])


def opened(document: dict[str, Any]) -> Any:
    """The document as the library reads it."""
    model = pytest.importorskip("prov.model", reason="prov (PyPI) is not installed")
    return model.ProvDocument.deserialize(content=json.dumps(document), format="json")


def test_prov_is_read_and_written_by_its_library(world: World) -> None:
    """Nothing is lost on the way through the library, and unifying finds no entity that is two things."""
    document = prov.document(report_of(world), ORIGIN)
    found = opened(document)
    again = json.loads(found.serialize(format="json"))
    assert opened(again) == found == found.unified()
    for kind in ("entity", "activity", "agent", "used", "wasGeneratedBy", "wasDerivedFrom", "wasAssociatedWith"):
        assert len(again[kind]) == len(document[kind]), kind
    assert set(document["entity"]) == set(again["entity"])


def test_prov_tells_what_used_and_made_what(world: World) -> None:
    document: dict[str, Any] = prov.document(report_of(world), ORIGIN)
    by_label = {value["prov:label"]: key for key, value in document["entity"].items()}
    used = {(one["prov:activity"], one["prov:entity"]) for one in document["used"].values()}
    derived = {(one["prov:generatedEntity"], one["prov:usedEntity"]) for one in document["wasDerivedFrom"].values()}
    made = {one["prov:activity"]: one["prov:entity"] for one in document["wasGeneratedBy"].values()}
    for deed in report_of(world):
        activity = f"entry:{deed.step.entry}"
        read = [by_label[found.path] for found in inputs_of("iris", deed.stage, 1)]
        assert made[activity] == by_label[item("iris", deed.stage).path]
        assert {entity for one, entity in used if one == activity} == set(read)
        assert {(made[activity], entity) for entity in read} <= derived
        assert document["activity"][activity]["trail:parameter"] == ["version=1", "model.steps=1500"]
    assert document["entity"][by_label["sources/iris.csv"]]["trail:licence"] == "CC0-1.0"
    (agent,) = document["agent"].values()
    assert agent["trail:vkey"] == OPERATOR.verifier.vkey()
    assert {one["prov:agent"] for one in document["wasAssociatedWith"].values()} == set(document["agent"])


def test_an_entity_is_generated_once(world: World) -> None:
    """What was made again was generated by the first entry and influenced by the later one."""
    world.run("iris", 2)
    before = report_of(world)
    world.run("iris", 1)
    after = report_of(world)
    assert {deed.step.event for deed in after} == {"reused"}
    merged = sorted({deed.step.entry: deed for deed in (*before, *after)}.values(), key=lambda deed: deed.step.entry)
    document: dict[str, Any] = prov.document(merged, ORIGIN)
    generated = [one["prov:entity"] for one in document["wasGeneratedBy"].values()]
    assert len(generated) == len(set(generated)) == len(before)
    assert len(document["wasInfluencedBy"]) == len(after)
    assert opened(document) == opened(document).unified()


def test_a_person_is_a_person_under_a_pseudonym(world: World) -> None:
    at = world.tick()
    world.append(acts.made(world.ledger.state, make_record("zoo", "ingest"), BOB, at=at))
    told = told_of(world, item("zoo", "ingest").digest)
    document: dict[str, Any] = prov.document(told, ORIGIN)
    (agent,) = document["agent"].values()
    assert (agent["prov:type"]["$"], agent["trail:person"]) == ("prov:Person", "p-bob")
    graph = entities(told)
    assert (graph["#key-example.com/bob"]["@type"], graph["#key-example.com/bob"]["name"]) == ("Person", "p-bob")
    assert "Bob K." not in json.dumps([document, graph])


def entities(told: list[Deed]) -> dict[str, Any]:
    """The entities of the crate, by id."""
    graph: Any = crate.metadata(told, ORIGIN, "A")["@graph"]
    return {entity["@id"]: entity for entity in graph}


def test_the_crate_tells_each_step(world: World) -> None:
    graph = entities(report_of(world))
    for deed in report_of(world):
        action = graph[f"#entry-{deed.step.entry}"]
        objects = [graph[one["@id"]] for one in action["object"]]
        assert graph[action["result"]["@id"]]["sha256"] == item("iris", deed.stage).digest.hex()
        read = {one["sha256"] for one in objects if "sha256" in one}
        assert read == {found.digest.hex() for found in inputs_of("iris", deed.stage, 1)}
        settings = {one["name"]: one["value"] for one in objects if one["@type"] == "PropertyValue"}
        assert settings == {"version": "1", "model.steps": "1500", "seed": "0"}
        assert graph[action["instrument"]["@id"]]["version"] == deed.step.code
        assert graph[action["agent"]["@id"]]["identifier"] == OPERATOR.verifier.vkey()
        assert action["startTime"] == action["endTime"] == "2026-01-01T12:00:08+00:00"
    (source,) = [one for one in graph.values() if one.get("name") == "sources/iris.csv"]
    assert graph[source["license"]["@id"]]["name"] == "CC0-1.0"
    assert graph["#run"]["object"] == {"@id": source["@id"]}
    assert graph["#run"]["result"] == {"@id": f"arcp://ni,sha-256;{past.code(item('iris', 'validate').digest)}/"}


def test_a_licence_that_is_no_identifier_stays_a_text(world: World) -> None:
    made = make_record("zoo", "ingest") | {"source": [{"name": "licence", "value": "as agreed on 3 May"}]}
    world.append(acts.made(world.ledger.state, made, OPERATOR, at=world.tick()))
    graph = entities(told_of(world, item("zoo", "ingest").digest))
    assert [one["license"] for one in graph.values() if "license" in one and one["@id"] != "./"] == [
        "as agreed on 3 May"
    ]


def test_no_reference_leads_nowhere(world: World) -> None:
    """Whatever the crate's entities refer to is in it, but for the specifications that it conforms to."""
    graph = entities(told_of(world, *past.latest(world.ledger.state)))

    def referred(value: Any) -> set[str]:
        if isinstance(value, dict):
            return {value["@id"]} if set(value) == {"@id"} else set().union(*map(referred, value.values()))
        return set().union(*map(referred, value)) if isinstance(value, list) else set()

    missing = set().union(*map(referred, graph.values())) - set(graph)
    assert missing == {"https://w3id.org/ro/crate/1.1", "https://www.rfc-editor.org/info/rfc8259"}


def written(world: World, folder: Path) -> Path:
    """The crate about the report, as files."""
    for name, data in crate.files(report_of(world), ORIGIN, "A").items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def test_the_crate_is_read_and_written_by_its_library(world: World, tmp_path: Path) -> None:
    rocrate = pytest.importorskip("rocrate.rocrate", reason="rocrate (PyPI) is not installed")
    ours = written(world, tmp_path / "crate")
    found = rocrate.ROCrate(str(ours))
    assert found.mainEntity.id == crate.WORKFLOW
    assert [one.id for one in found.root_dataset["conformsTo"]] == list(crate.PROFILES)
    actions = found.get_by_type("CreateAction")
    assert {one.id for one in actions} == {one.id for one in found.root_dataset["mentions"]}
    assert all(one["instrument"].get("name") and one["agent"].get("name") for one in actions)
    found.write(str(tmp_path / "again"))
    before, after = (graph_of(folder) for folder in (ours, tmp_path / "again"))
    assert after == before
    assert (tmp_path / "again" / crate.WORKFLOW).read_bytes() == (ours / crate.WORKFLOW).read_bytes()


def graph_of(folder: Path) -> dict[str, Any]:
    document = json.loads((folder / crate.METADATA).read_text(encoding="utf-8"))
    return {entity["@id"]: entity for entity in document["@graph"]}


def validator() -> str | None:
    """The interpreter that has roc-validator: this one, the one named, or the one behind the command."""
    if importlib.util.find_spec("rocrate_validator") is not None:
        return sys.executable
    command = os.environ.get("SYNTHTRAIL_ROC_VALIDATOR") or shutil.which("rocrate-validator")
    return str(Path(command).parent / "python") if command else None


def issues(folder: Path, context: Path) -> list[list[str]]:
    """What roc-validator says about a crate: severity, check, message."""
    python = validator()
    assert python is not None
    command = [python, str(Path(__file__).with_name("roc_validate.py")), str(folder), "provenance-run-crate-0.5"]
    target = context.with_name("findings.json")
    subprocess.run([*command, str(context), str(target)], capture_output=True, check=True)
    said = json.loads(target.read_text(encoding="utf-8"))
    assert said["checks"] > 100
    found: list[list[str]] = said["issues"]
    return found


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """The terms of RO-Crate as its library has them (1.3), with those that 1.1 and workflow-run define otherwise."""
    pytest.importorskip("rocrate", reason="rocrate (PyPI) is not installed")
    (place,) = importlib.util.find_spec("rocrate").submodule_search_locations or []  # type: ignore[union-attr]
    terms = json.loads((Path(place) / "data" / "ro-crate.jsonld").read_text(encoding="utf-8"))["@context"]
    terms |= {name: f"https://bioschemas.org/{name}" for name in ("ComputationalWorkflow", "FormalParameter")}
    terms["sha256"] = "https://w3id.org/ro/terms/workflow-run#sha256"
    path = tmp_path / "context.json"
    path.write_text(json.dumps({"@context": terms}), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.skipif(validator() is None, reason="roc-validator (PyPI) is not installed, here or beside")
def test_the_crate_follows_the_profile(world: World, tmp_path: Path, context: Path) -> None:
    """Every requirement of Provenance Run Crate 0.5 and what it extends; each recommendation, or a reason."""
    good = written(world, tmp_path / "crate")
    found = issues(good, context)
    assert [one for one in found if one[0] == "REQUIRED"] == []
    assert {check for _, check, _ in found} == set(NOT_FOLLOWED)
    # and a fault shows
    bad = json.loads((good / crate.METADATA).read_text(encoding="utf-8"))
    for entity in bad["@graph"]:
        entity.pop("instrument", None)
    (good / crate.METADATA).write_text(json.dumps(bad), encoding="utf-8")
    assert "REQUIRED" in {severity for severity, _, _ in issues(good, context)}


def ran(world: World, *words: str) -> int:
    """The exit code of the command on the world's ledger."""
    policy = world.folder / "policy.json"
    policy.write_bytes(world.policy.encode())
    parser = argparse.ArgumentParser()
    export.configure(parser)
    return export.run(parser.parse_args([*words, "--ledger", str(world.path), "--policy", str(policy)]))


def test_the_command_writes_both_forms(world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    digest = item("iris", "validate").digest.hex()
    assert ran(world, "prov", digest, "-o", str(tmp_path / "prov.json")) == 0
    assert json.loads((tmp_path / "prov.json").read_text()) == json.loads(
        json.dumps(prov.document(report_of(world), ORIGIN))
    )
    assert ran(world, "crate", digest, "-o", str(tmp_path / "crate")) == 0
    assert {path.name for path in (tmp_path / "crate").iterdir()} == {crate.METADATA, crate.WORKFLOW}
    assert "verified to level A" in capsys.readouterr().out
    assert ran(world, "prov", "-o", str(tmp_path / "all.json")) == 0
    assert len(json.loads((tmp_path / "all.json").read_text())["activity"]) == 10


def test_the_command_writes_nothing_that_it_cannot_vouch_for(world: World, tmp_path: Path) -> None:
    """An unknown artifact, a folder with something in it, a ledger that does not hold."""
    target = tmp_path / "out"
    assert ran(world, "prov", "0" * 64, "-o", str(target)) == 1
    target.mkdir()
    (target / "precious").write_text("mine")
    with pytest.raises(CommandError, match="not an empty folder"):
        ran(world, "crate", "-o", str(target))
    bundle_path(world).write_bytes(b"")
    assert ran(world, "crate", "-o", str(tmp_path / "new")) == 1
    assert [path.name for path in target.iterdir()] == ["precious"]
    assert not (tmp_path / "new").exists()
