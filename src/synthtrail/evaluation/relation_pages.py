"""The diagnostics page of related tables: training, then every learnt column of every table, all three sides.

Moments appear as the spans that are learnt. The rules of `diagnostics` for confidential sources hold here too: cells of
fewer than five real rows are empty.
"""

from synthtrail.data.relations import Relations
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.unrolled import unroll
from synthtrail.evaluation import diagnostics, history, page
from synthtrail.evaluation.diagnostics import MOST_COLUMNS, Subject
from synthtrail.evaluation.history import History
from synthtrail.evaluation.tallies import tally


def relations_page(
    subject: Subject,
    train: Relations,
    holdout: Relations,
    synthetic: Relations,
    schema: RelationalSchema,
    past: History,
) -> str:
    """Return the page."""
    sides = {"real": train, "held": holdout, "made": synthetic}
    flats = {side: unroll(data, schema) for side, data in sides.items()}
    tables = []
    for name, learned in schema.learned.items():
        parts = {side: flat[name].rows for side, flat in flats.items()}
        columns = list(learned)[:MOST_COLUMNS]
        cards = [diagnostics.column_card(tally(parts, column, private=subject.private)) for column in columns]
        lead = f"{len(train.tables[name]):,} real rows to learn from, {len(synthetic.tables[name]):,} synthetic ones."
        tables.append(page.section(f"table-{name}", name, lead, page.legend(), page.grid(cards)))
    sections = "".join((history.curves(past), history.snapshots(past), *tables))
    return diagnostics.whole(subject, sections, {f"table-{name}": name for name in schema.learned})
