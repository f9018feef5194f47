"""The one entry for related tables: everything measured, decided and drawn, as `judge` does for one table.

    judgement = judge_relations(train, holdout, synthetic, schema, name="ward", seed=0, data_class="confidential",
                                thresholds=Thresholds())

Beyond the reasons of `verdict`: a foreign key without a parent, a key that stands twice, or an order that every real
row keeps and a synthetic one breaks is a refusal; and with few subjects the report says what cannot be established.
"""

from collections.abc import Iterator, Mapping, Sequence

from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.evaluation import registry, relation_figures, relation_rules
from synthtrail.evaluation.judge import Judgement, measured
from synthtrail.evaluation.metric import Score, one_thread
from synthtrail.evaluation.relations import FEW
from synthtrail.evaluation.verdict import Level, Reason, Thresholds, Verdict, decide

MUST = {
    "foreign_keys": "{share:.2%} of the rows have the foreign key of one parent; all must.",
    "keys_unique": "{share:.2%} of the rows have a key of their own; all must.",
    "order_kept": "An order that every real row keeps is broken: kept by {share:.2%}.",
}


def judge_relations(
    train: Relations,
    holdout: Relations,
    synthetic: Relations,
    schema: RelationalSchema,
    *,
    name: str,
    seed: int,
    data_class: str,
    thresholds: Thresholds,
    count: int | None = None,
) -> Judgement:
    """Judge synthetic subjects by the training subjects and by a holdout; arguments as of `judge.judge_table`."""
    checked = relation_rules.run(synthetic, name, schema, data_class, count)
    sides = train, holdout, synthetic
    scores = measured(registry.RELATIONS, sides, schema, seed)
    with one_thread():
        figures = relation_figures.figures(*sides, schema, scores=scores, data_class=data_class)
    verdict = with_structure(decide(scores, thresholds, checked), scores, len(holdout))
    suite = relation_rules.suite_text(name, schema, data_class, count)
    return Judgement(name, data_class, facts(sides, schema), scores, verdict, checked, suite, figures)


def facts(sides: Sequence[Relations], schema: RelationalSchema) -> dict[str, str]:
    """Return what heads the report."""
    tree = ", ".join(link.name if link.parent is None else f"{link.name} of {link.parent}" for link in schema.links)
    told = {"Kind": f"{len(schema.links)} related tables: {tree}"}
    for title, side in zip(("Training (real)", "Holdout (real)", "Synthetic"), sides, strict=True):
        told[title] = "; ".join(f"{count:,} {name}" for name, count in side.rows.items())
    return told


def with_structure(verdict: Verdict, scores: Sequence[Score], holdout: int) -> Verdict:
    """Return the verdict with what must hold of keys and orders, and with what few subjects leave open."""
    order: tuple[Level, ...] = ("refuse", "review", "pass")
    reasons = [*verdict.reasons, *structure({score.name: score for score in scores}), *few(holdout)]
    ranked = sorted(reasons, key=lambda reason: order.index(reason.level))
    return Verdict(ranked[0].level, tuple(ranked))


def structure(known: Mapping[str, Score]) -> Iterator[Reason]:
    """Yield a reason for each thing that must hold."""
    broken = False
    for name, words in MUST.items():
        value = known[name].value
        if value is not None and value < 1:
            broken = True
            yield Reason("refuse", words.format(share=value))
    if not broken:
        yield Reason("pass", "Every foreign key is one of a parent, keys are unique, and rows stand in order.")


def few(holdout: int) -> Iterator[Reason]:
    """Yield what so few fresh subjects leave open."""
    if holdout < FEW:
        yield Reason(
            "review",
            f"Only {holdout} fresh real subjects: whether rare levels, long histories and what few subjects share come "
            "out right cannot be established; figures count as good as their floors, no better.",
        )
