"""Large tables: many levels do not exhaust memory, and what looks at a part of the rows says so."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import infer
from synthtrail.evaluation import judge
from synthtrail.evaluation.features import rows
from synthtrail.evaluation.judge import Thresholds, judge_table
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training

MOST = 1_024  # MiB resident
LEVELS = """
import sys
from pathlib import Path
import numpy as np, pandas as pd, torch
from synthtrail.data.codec import TableCodec
from synthtrail.data.columns import Column, Schema
from synthtrail.models import registry
from synthtrail.models.synthesizer import Training

torch.set_num_threads(1)
rng = np.random.default_rng(0)
names = np.array([f"place {n}" for n in range(50_000)], dtype=object)
place = np.concatenate([names, rng.choice(names[:300], 10_000)])
data = pd.DataFrame({"place": pd.Series(place, dtype="str"), "x": rng.normal(0, 1, 60_000).round(3),
                     "ill": pd.Series(rng.choice(["no", "yes"], 60_000), dtype="str")})
columns = (Column("place", "category", "str", tuple(sorted(names))), Column("x", "continuous", "float64", (), -6, 6, 3),
           Column("ill", "boolean", "str", ("no", "yes")))
codec = TableCodec.fit(data, Schema(columns, "ill"), 20)
model = registry.create(sys.argv[1], eval(sys.argv[2]))
model.fit(data, codec, Training(0, progress=False))
rows = next(model.sample(20_000, seed=1))
assert rows["place"].nunique() > 255, rows["place"].nunique()
# not ru_maxrss, which starts at the size of the process that started this one
status = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) // 1024)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc, as Linux has it")
@pytest.mark.parametrize(
    ("name", "settings"),
    [("cart", "{}"), ("masked", "{'steps': 10, 'check_every': 10}")],
)
def test_fifty_thousand_levels_do_not_exhaust_memory(name: str, settings: str) -> None:
    """A column of 50,000 categories is learnt and drawn again in a gigabyte, its rare levels too."""
    done = subprocess.run([sys.executable, "-c", LEVELS, name, settings], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) < MOST


def test_trees_grow_on_a_part_of_many_rows_and_say_so() -> None:
    """The shares of classes are those of all rows."""
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"x": rng.normal(0, 1, 500), "ill": pd.Series(["yes"] * 100 + ["no"] * 400, dtype="str")})
    model = registry.create("cart", {"rows": 200})
    model.fit(data, TableCodec.fit(data, infer(data, "ill"), 5), Training(0, progress=False))
    assert model.facts["rows"] == 200  # type: ignore[attr-defined]
    assert sorted(model.prior.tolist()) == [0.2, 0.8]  # type: ignore[attr-defined]


def test_long_tables_are_judged_by_a_part_that_the_report_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores come from a part of the rows, but a copied row is found among all of them."""
    monkeypatch.setattr(judge, "MOST_ROWS", 200)
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(0, 1, 3000), "y": rng.normal(0, 1, 3000)})
    train, holdout, made = table[:1000], table[1000:2000], table[2000:].reset_index(drop=True)
    made.iloc[:40] = train.iloc[:40].to_numpy()
    found = judge_table(
        train, holdout, made, infer(table), name="x", seed=0, data_class="public", thresholds=Thresholds()
    )
    assert found.facts["Scores and figures"].startswith("at most 200 rows of each, at random")
    assert found.metrics["copies"] == pytest.approx(0.04)
    assert found.facts["Synthetic"] == "1,000 rows"


def test_equal_rows_are_numbered_alike_over_several_tables() -> None:
    """Missing cells equal each other, and order does not matter."""
    one = pd.DataFrame({"a": [1, 2, None], "b": ["x", "y", None]})
    other = pd.DataFrame({"a": [None, 2.0], "b": [None, "z"]})
    assert rows([one, other], infer(pd.concat([one, other], ignore_index=True))).tolist() == [0, 1, 2, 2, 3]
