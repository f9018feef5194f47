"""`validate`: judge the synthetic data against training and holdout part, and say pass, review or refuse.

In: `synthetic/`, `split/`, and for the diagnostics page `curves/`. Out: `report/` (a page for people, the same as JSON,
what the expectations found), `figures/`, `diagnostics.html` and `metrics.json`. It ends well whatever the verdict: the
verdict stands in the record, so that `sign` can log it first.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from synthtrail.data.image import ImageSet
from synthtrail.data.registry import MODALITIES
from synthtrail.evaluation.judge import Judgement, judge_images, judge_table
from synthtrail.evaluation.relation_judge import judge_relations
from synthtrail.evaluation.verdict import Thresholds
from synthtrail.lineage import Work
from synthtrail.params import build
from synthtrail.stages import diagnose
from synthtrail.stages.context import Context
from synthtrail.stages.counted import held_to_counts
from synthtrail.stages.parts import ABOUT, read_json, read_schema, salted
from synthtrail.storage.files import staged_folder, write_json, write_text

JUDGES = {"tabular": judge_table, "image": judge_images, "relational": judge_relations}


def validate(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    data, schema = parts(context), read_schema(context)
    judgement = judge(context, data, schema)
    beside = layout.synthetic / ABOUT
    items = "images" if isinstance(data[2], ImageSet) else "rows"
    judgement = replace(judgement, facts={**judgement.facts, **redrawn(beside, items), **protected(beside)})
    if isinstance(data[2], ImageSet):
        judgement = held_to_counts(judgement, asked_counts(beside), data[2].labels)
    salts = context.salts_from(layout.synthetic)
    with context.output(layout.report) as folder:
        write_json(folder / "report.json", salted(judgement.report_json(), salts("report.json")))
        write_json(folder / "expectations.json", salted(judgement.expectations, salts("expectations.json")))
        write_text(folder / "report.html", salted_page(judgement.report_html(), salts("report.html")))
    with staged_folder(layout.figures) as folder:
        for name, picture in judgement.figures.items():
            write_text(folder / f"{name}.svg", picture)
    diagnostics = diagnose.page(context, data, schema, judgement.facts)
    write_text(layout.diagnostics, salted_page(diagnostics, salts("diagnostics.html")))
    write_json(layout.metrics, judgement.metrics)
    work = Work(
        subject=layout.report,
        inputs=[layout.synthetic, layout.split],
        views=[layout.figures, layout.diagnostics, layout.metrics],
        params={name: plan[name] for name in ("thresholds", "sensitive") if name in plan},
        facts={score.name: score.value for score in judgement.scores if score.value is not None},
        verdict=judgement.verdict.level,
    )
    context.finish(work, {"reasons": [reason.text for reason in judgement.verdict.reasons]})


def parts(context: Context) -> tuple[Any, Any, Any]:
    """Return training part, holdout part and synthetic data."""
    layout, modality = context.layout, MODALITIES[context.plan["modality"]]
    real = (modality.read(layout.split, part) for part in ("train", "holdout"))
    return (*real, modality.read(layout.synthetic, modality.whole))


def asked_counts(path: Path) -> dict[str, int]:
    """Return how many of each class were asked for; empty if no counts were."""
    told = read_json(path).get("drawn", {}) if path.exists() else {}
    return {str(name): int(count) for name, count in told.get("classes", {}).items()}


def redrawn(path: Path, items: str) -> dict[str, str]:
    """Return how many rows or images were mended or drawn again to keep what was asked for, for the report's head."""
    told = read_json(path).get("drawn", {}) if path.exists() else {}
    dropped = {name: int(count) for name, count in told.get("dropped", {}).items()}
    found = {f"Drawn again ({name})": f"{count:,} {items}" for name, count in dropped.items()}
    found |= {name.capitalize(): f"{int(count):,} rows" for name, count in told.get("repairs", {}).items()}
    return found | ({"Mended": f"{int(told['mended']):,} rows"} if "mended" in told else {})


def protected(path: Path) -> dict[str, str]:
    """Return the terms of differential privacy that the rows were made under, for the head of the report."""
    told = dict(read_json(path).get("privacy", {})) if path.exists() else {}
    if not told:
        return {}
    guarantee = f"epsilon {told.pop('epsilon'):g}, delta {told.pop('delta'):g}"
    terms = {f"… {name.replace('_', ' ')}": str(value) for name, value in told.items()}
    return {"Differential privacy": guarantee, **terms}


def judge(context: Context, data: tuple[Any, Any, Any], schema: Any) -> Judgement:
    """Return the judgement of the experiment's synthetic data."""
    plan = context.plan
    return JUDGES[plan["modality"]](  # type: ignore[operator, no-any-return]
        *data,
        schema,
        name=context.name,
        seed=plan["seed"],
        data_class=plan["class"],
        thresholds=build(Thresholds, plan["thresholds"], "validate"),
        count=plan["count"],
        **({"sensitive": plan["sensitive"]} if "sensitive" in plan else {}),
    )


def salted_page(html: str, salt: bytes | None) -> str:
    """Return a page for people, with the salt of a confidential one in a comment."""
    return html if salt is None else f"{html}<!-- salt {salt.hex()} -->\n"
