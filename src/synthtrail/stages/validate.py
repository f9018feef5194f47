"""`validate`: judge the synthetic data against training and holdout part, and say pass, review or refuse.

In: `synthetic/`, `split/`. Out: `report/` (a page for people, the same as JSON, what the expectations found),
`figures/` and `metrics.json`. It ends well whatever the verdict: the verdict stands in the record, so that `sign` can
log it first.
"""

from synthtrail.data.registry import MODALITIES
from synthtrail.evaluation.judge import Judgement, judge_images, judge_table
from synthtrail.evaluation.verdict import Thresholds
from synthtrail.lineage import Work
from synthtrail.params import build
from synthtrail.stages.context import Context
from synthtrail.stages.parts import read_schema, salted
from synthtrail.storage.files import staged_folder, write_json, write_text
from synthtrail.storage.salt import Salts

JUDGES = {"tabular": judge_table, "image": judge_images}


def validate(context: Context) -> None:
    """Run the stage for the experiment of `context`."""
    layout, plan = context.layout, context.plan
    judgement = judge(context)
    salts = context.salts_from(layout.synthetic)
    with staged_folder(layout.report) as folder:
        write_json(folder / "report.json", salted(judgement.report_json(), salts("report.json")))
        write_json(folder / "expectations.json", salted(judgement.expectations, salts("expectations.json")))
        write_text(folder / "report.html", page(judgement, salts))
    with staged_folder(layout.figures) as folder:
        for name, picture in judgement.figures.items():
            write_text(folder / f"{name}.svg", picture)
    write_json(layout.metrics, judgement.metrics)
    work = Work(
        subject=layout.report,
        inputs=[layout.synthetic, layout.split],
        views=[layout.figures, layout.metrics],
        params={"thresholds": plan["thresholds"]},
        facts={score.name: score.value for score in judgement.scores if score.value is not None},
        verdict=judgement.verdict.level,
    )
    context.finish(work, {"reasons": [reason.text for reason in judgement.verdict.reasons]})


def judge(context: Context) -> Judgement:
    """Return the judgement of the experiment's synthetic data."""
    layout, plan = context.layout, context.plan
    modality = MODALITIES[plan["modality"]]
    parts = [modality.read(layout.split, part) for part in ("train", "holdout")]
    synthetic = modality.read(layout.synthetic, modality.whole)
    return JUDGES[plan["modality"]](  # type: ignore[operator, no-any-return]
        *parts,
        synthetic,
        read_schema(context),
        name=context.name,
        seed=plan["seed"],
        data_class=plan["class"],
        thresholds=build(Thresholds, plan["thresholds"], "validate"),
        count=plan["count"],
    )


def page(judgement: Judgement, salts: Salts) -> str:
    """Return the page for people, with the salt of a confidential report in a comment."""
    salt = salts("report.html")
    html = judgement.report_html()
    return html if salt is None else f"{html}<!-- salt {salt.hex()} -->\n"
