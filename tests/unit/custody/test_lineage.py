"""Provenance is complete: from any artifact back to the source, by signed events only."""

from tests.unit.custody.ledger_factory import ADA, OPERATOR, World, item

from synthtrail.custody import lineage


def test_trace_leads_back_to_the_source(world: World) -> None:
    """The report's steps are the five stages, in order, each input made by an earlier step."""
    state, log = world.ledger.state, world.ledger.log
    steps = lineage.trace(state, log, item("iris", "validate").digest)
    assert [step.event for step in steps] == ["acquired", "derived", "trained", "generated", "validated"]
    assert all(step.actor == OPERATOR.name and step.gaps == () for step in steps)
    made = {step.subject.digest: step.entry for step in steps}
    for step in steps[1:]:
        assert [origin.entry for origin in step.inputs] == [made[origin.item.digest] for origin in step.inputs]
    assert steps[0].inputs[0].entry is None
    assert len(steps[0].code) == 64


def test_trace_takes_the_version_that_was_used(world: World) -> None:
    """After re-runs an artifact's inputs are those of its own version, not the latest."""
    world.run("iris", 2)
    world.run("iris", 1)
    state, log = world.ledger.state, world.ledger.log
    steps = lineage.trace(state, log, item("iris", "generate", 2).digest)
    assert [step.subject.digest for step in steps] == [
        item("iris", stage, 2).digest for stage in ("ingest", "preprocess", "train", "generate")
    ]
    again = lineage.trace(state, log, item("iris", "generate", 1).digest)
    assert {step.event for step in again} == {"reused"}


def test_by_path_and_life(world: World) -> None:
    """A path stands for its latest artifact; a life lists every event with who and why."""
    state, log = world.ledger.state, world.ledger.log
    found = lineage.by_path(state, log, "data/iris/synthetic")
    assert found == item("iris", "generate").digest
    moments = lineage.life(state, log, found)
    assert [(moment.event, moment.actor, moment.outcome, moment.meaning) for moment in moments] == [
        ("generated", OPERATOR.name, "", ""),
        ("validated", OPERATOR.name, "pass", ""),
        ("approved", ADA.name, "", "approval"),
    ]


def test_unknown_artifacts_have_no_past(world: World) -> None:
    state, log = world.ledger.state, world.ledger.log
    assert lineage.trace(state, log, bytes(32)) == []
    assert lineage.life(state, log, bytes(32)) == []
    assert lineage.by_path(state, log, "data/none") is None
