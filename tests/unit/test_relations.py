"""Related tables: keys, order in time and numbers of children, from files to released rows."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from synthtrail.data import conditions, links, relate, relational, relationsource, release
from synthtrail.data.errors import SchemaError, SourceError
from synthtrail.data.registry import MODALITIES
from synthtrail.data.relational import Relational, RelationalCodec
from synthtrail.data.relations import Relations, broken, taken
from synthtrail.data.relationschema import RelationalSchema
from synthtrail.data.split import split
from synthtrail.data.unrolled import arranged, unroll
from synthtrail.evaluation import registry as metrics
from synthtrail.evaluation.metric import Score, generator
from synthtrail.models import registry
from synthtrail.models.errors import ModelError
from synthtrail.models.prune import grown
from synthtrail.models.synthesizer import Synthesizer, Training
from synthtrail.params import ParamsError, parse
from synthtrail.stages.draw import Draw
from synthtrail.stages.generate import sieves_for
from tests import hospital
from tests.imports import ROOT

MODALITY = Relational()
QUIET = Training(seed=0, progress=False)
LEARNERS: Mapping[str, dict[str, Any]] = {
    "cart": {"least": 10},
    "masked": {"learner": "masked", "steps": 20, "batch": 32, "width": 16},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hospital.write(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def source(folder: Path) -> tuple[Relations, RelationalSchema]:
    found, schema = relationsource.read(folder, links.parse(hospital.TABLES, "tables"))
    assert isinstance(found.data, Relations)
    return found.data, schema


@pytest.fixture(scope="module")
def parts(source: tuple[Relations, RelationalSchema]) -> tuple[Relations, Relations, RelationalSchema]:
    """Training and holdout subjects, and the schema of the training ones, as of a confidential source."""
    data, like = source
    rows = split(len(data), 0.25, 0)
    train, holdout = taken(data, rows.train), taken(data, rows.holdout)
    schema = relational.learnt(train, like, least=5, ends=True)
    return relational.merged(train, schema)[0], relational.merged(holdout, schema)[0], schema


def fitted(
    train: Relations, schema: RelationalSchema, learner: str = "cart", plan: Training = QUIET
) -> Synthesizer[Any, Any]:
    model = registry.create("relational", LEARNERS[learner])
    model.fit(train, RelationalCodec.fit(train, schema, 10), plan)
    return model


@pytest.fixture(scope="module")
def models(parts: tuple[Relations, Relations, RelationalSchema]) -> dict[str, Synthesizer[Any, Any]]:
    return {learner: fitted(parts[0], parts[2], learner) for learner in LEARNERS}


def made(model: Synthesizer[Any, Any], schema: RelationalSchema, count: int = 60, seed: int = 4) -> Relations:
    """Return released subjects."""
    (batch,) = release.completed(model.sample(count, seed=seed), schema, seed)
    assert isinstance(batch, Relations)
    return batch


def test_a_subject_is_on_one_side_with_all_that_is_its(source: tuple[Relations, RelationalSchema]) -> None:
    """Training and holdout share no patient, and every row of every table is on one side."""
    data, _ = source
    rows = split(len(data), 0.25, 0)
    sides = [taken(data, side) for side in (rows.train, rows.holdout)]
    patients = [set(side.tables["drugs"]["patient_id"]) | set(side.tables["patients"]["patient_id"]) for side in sides]
    assert not patients[0] & patients[1]
    for name, table in data.tables.items():
        assert sum(len(side.tables[name]) for side in sides) == len(table)
    assert not [found for side in sides for found in broken(side.tables, side.links)]


def test_moments_are_told_as_spans(parts: tuple[Relations, Relations, RelationalSchema]) -> None:
    """A stay ends after it begins, a drug is given after the one before: so they are learnt, in minutes."""
    train, _, schema = parts
    names = {name: table.names for name, table in schema.learned.items()}
    assert names["patients"] == ("sex", "born", "number of stays")
    assert "first admitted after patients.born" in names["stays"]
    assert {"discharged after admitted", "died after discharged", "number of drugs"} <= set(names["stays"])
    flat = unroll(train, schema)["drugs"]
    gaps = flat.rows["given since the one before"]
    assert gaps.isna().equals(pd.Series(flat.place == 0))
    assert (gaps.dropna() >= 0).all()
    first = arranged(train, schema)["stays"].numbers
    spans = unroll(train, schema)["stays"].rows["discharged after admitted"]
    assert np.array_equal(first["discharged"] - first["admitted"], spans.to_numpy(dtype=float) * 60)


def test_schema_and_codec_survive_json(parts: tuple[Relations, Relations, RelationalSchema]) -> None:
    """What is written is read back equal."""
    train, _, schema = parts
    codec = RelationalCodec.fit(train, schema, 10)
    assert MODALITY.schema_from_json(json.loads(json.dumps(schema.to_json()))) == schema
    assert MODALITY.codec_from_json(json.loads(json.dumps(codec.to_json()))) == codec


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_released_tables_keep_keys_orders_and_schemas(
    learner: str, parts: tuple[Relations, Relations, RelationalSchema], models: dict[str, Synthesizer[Any, Any]]
) -> None:
    """Even a hardly trained model makes tables that hang together, whose moments stand in order."""
    batch = made(models[learner], parts[2])
    assert MODALITY.check(batch, parts[2]) == []
    assert len(batch) == 60
    stays, drugs = batch.tables["stays"], batch.tables["drugs"]
    assert (stays["discharged"] >= stays["admitted"]).all()
    together = drugs.merge(stays, on="stay_id", suffixes=("", "_of_stay"))
    assert len(together) == len(drugs)
    assert (together["patient_id"] == together["patient_id_of_stay"]).all()
    assert (together["given"] >= together["admitted"]).all()
    assert (together["given"] <= together["discharged"]).all()
    for _, rows in [*stays.groupby("patient_id"), *drugs.groupby("stay_id")]:
        moments = rows["given" if "given" in rows else "admitted"]
        assert moments.is_monotonic_increasing


def test_keys_are_made_anew(
    parts: tuple[Relations, Relations, RelationalSchema], models: dict[str, Synthesizer[Any, Any]]
) -> None:
    """Keys look like the real ones, differ between batches, and are those of children too."""
    schema = parts[2]
    batches = list(release.completed(models["cart"].sample(1500, seed=1), schema, 1))
    assert len(batches) == 2
    keys = pd.concat([batch.tables["patients"]["patient_id"] for batch in batches])
    assert keys.is_unique
    assert keys.str.fullmatch(r"P\d{4,5}").all()
    assert set(batches[1].tables["stays"]["patient_id"]) <= set(batches[1].tables["patients"]["patient_id"])
    assert not set(keys[:60]) <= set(parts[0].tables["patients"]["patient_id"])


@pytest.mark.parametrize("learner", sorted(LEARNERS))
def test_the_same_seed_gives_the_same_bytes(
    learner: str,
    parts: tuple[Relations, Relations, RelationalSchema],
    models: dict[str, Synthesizer[Any, Any]],
    tmp_path: Path,
) -> None:
    """Fits agree to the byte, a loaded model samples the same, and files have the same bytes."""
    models[learner].save(tmp_path / "a")
    fitted(parts[0], parts[2], learner).save(tmp_path / "b")
    for name in ("model.json", "weights.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    loaded = registry.load(tmp_path / "a")
    for at, model in enumerate((models[learner], loaded)):
        MODALITY.write(tmp_path / str(at), "tables", [made(model, parts[2])], salt=bytes(32))
    files = sorted(path.name for path in (tmp_path / "0").iterdir())
    assert files == ["drugs.parquet", "links.json", "patients.parquet", "stays.parquet"]
    assert all((tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes() for name in files)
    back = MODALITY.read(tmp_path / "0", "tables")
    assert back.links == parts[0].links
    pd.testing.assert_frame_equal(back.tables["drugs"], made(loaded, parts[2]).tables["drugs"])


def test_subjects_are_asked_for_by_their_own_columns(
    parts: tuple[Relations, Relations, RelationalSchema], models: dict[str, Synthesizer[Any, Any]]
) -> None:
    """A condition on patients is met, and what is theirs comes with them."""
    wanted = conditions.parse({"sex": "f"}, parts[2])
    sieves = sieves_for(None, wanted, MODALITY)
    drawing = Draw(models["cart"], wanted, count=40, seed=2, sieves=sieves, modality=MODALITY)
    batches = list(release.completed(drawing.batches(), parts[2], 2))
    patients = pd.concat([batch.tables["patients"] for batch in batches])
    assert len(patients) == 40
    assert set(patients["sex"]) == {"f"}
    assert patients["patient_id"].is_unique
    assert set(pd.concat([batch.tables["stays"] for batch in batches])["patient_id"]) <= set(patients["patient_id"])


def test_what_follows_what_is_learnt(source: tuple[Relations, RelationalSchema]) -> None:
    """In the real tables heparin follows aspirin nine times in ten; so it does in the synthetic ones, nearly."""
    data, like = source
    schema = relational.learnt(data, like, least=1, ends=False)
    drugs = made(fitted(data, schema), schema, 200).tables["drugs"]
    before = drugs.groupby("stay_id")["drug"].shift(1)
    followed = drugs["drug"][before == "aspirin"]
    assert (followed == "heparin").mean() > 0.75


def scores_of(
    synthetic: Relations, parts: tuple[Relations, Relations, RelationalSchema], *names: str
) -> dict[str, Score]:
    train, holdout, schema = parts
    found = [metrics.RELATIONS[name].compute(train, holdout, synthetic, schema, generator(0, name)) for name in names]
    return {score.name: score for group in found for score in group}


def shuffled(tables: Mapping[str, pd.DataFrame], name: str, columns: list[str]) -> dict[str, pd.DataFrame]:
    """Return the tables with some columns of one in another order."""
    table = tables[name].copy()
    rng = np.random.default_rng(0)
    table[columns] = table[columns].to_numpy()[rng.permutation(len(table))]
    return {**tables, name: table}


def test_metrics_tell_good_tables_from_bad(parts: tuple[Relations, Relations, RelationalSchema]) -> None:
    """Real subjects reach their floor in every figure; tables damaged in one way fall in the figure made for it."""
    holdout = parts[1]
    names = ("keys", "order", "children", "timing", "transitions", "across", "quality")
    good = scores_of(holdout, parts, *names)
    assert good["foreign_keys"].value == good["keys_unique"].value == good["order_kept"].value == 1
    for name in ("children", "timing", "transitions", "across", "shapes", "trends"):
        value, floor = good[name].value, good[f"{name}_floor"].value
        assert value is not None
        assert floor is not None
        assert value > floor - 0.1
        assert good[f"{name}_floor"].note.startswith("from 0.")

    tables = dict(holdout.tables)
    drugs = tables["drugs"]
    orphans = drugs.assign(stay_id=np.where(np.arange(len(drugs)) % 4 == 0, 1, drugs["stay_id"]))
    found = scores_of(Relations({**tables, "drugs": orphans}, holdout.links), parts, "keys")
    assert found["foreign_keys"].value == pytest.approx(0.75, abs=0.02)
    backwards = Relations({**tables, "drugs": drugs.iloc[::-1].reset_index(drop=True)}, holdout.links)
    assert (scores_of(backwards, parts, "order")["order_kept"].value or 0) < 0.2
    mixed = Relations(shuffled(tables, "drugs", ["drug"]), holdout.links)
    assert (scores_of(mixed, parts, "transitions")["transitions"].value or 1) < (good["transitions"].value or 0) - 0.15
    lone = Relations({**tables, "drugs": drugs[~drugs["stay_id"].duplicated()].reset_index(drop=True)}, holdout.links)
    assert (scores_of(lone, parts, "children")["children"].value or 1) < (good["children"].value or 0) - 0.15


def test_copied_subjects_are_found(parts: tuple[Relations, Relations, RelationalSchema]) -> None:
    """Training subjects handed on whole are copies and runs; fresh real ones are neither."""
    copied = scores_of(parts[0], parts, "privacy", "runs")
    fresh = scores_of(parts[1], parts, "privacy", "runs")
    assert copied["copies"].value == 1
    assert copied["runs_copied"].value == 1
    assert (fresh["copies"].value or 0) < 0.2
    assert (fresh["runs_copied"].value or 0) < 0.9
    assert "there are 20 and 60" in copied["mia_tpr_upper"].note


def test_a_leaf_has_rows_of_several_subjects() -> None:
    """A split that would leave one side to a single subject is not kept, however many rows that subject has."""
    value = np.repeat([0.0, 1.0], 100)[:, None].astype(np.float32)
    codes = np.repeat([0, 1], 100)
    one, many = np.repeat([0, 1], 100), np.tile(np.arange(20), 10)
    assert grown(value, codes, None, 10, one, 2).leaves == 1
    assert grown(value, codes, None, 10, many, 2).leaves == 2
    again = grown(value, codes, None, 10, one, 2)
    assert sorted(again.draw(value, 0.0, np.random.default_rng(0)).tolist()) != codes.tolist()
    assert len(again.feature) == 1


def test_a_long_table_implies_its_subjects(tmp_path: Path) -> None:
    """Sequences in one table need `group` and `order` alone; values follow one another as in the source."""
    rng = np.random.default_rng(1)
    rows = []
    for patient in range(60):
        level = rng.normal(100, 15)
        for turn in range(int(rng.integers(2, 9))):
            level += rng.normal(0, 2)
            rows.append((f"M{patient:03}", f"2024-01-{1 + turn:02} 06:{patient % 60:02}", round(level, 1)))
    file = tmp_path / "ward.csv"
    pd.DataFrame(rows, columns=["patient", "taken_at", "pressure"]).to_csv(file, index=False)
    asked = links.parse({"measurements": {"group": "patient", "order": "taken_at"}}, "tables")
    found, like = relationsource.read(file, asked)
    data: Any = found.data
    assert data.rows == {"subjects": 60, "measurements": len(rows)}
    schema = relational.learnt(data, like, least=5, ends=True)
    batch = made(fitted(data, schema), schema, 150)
    assert MODALITY.check(batch, schema) == []
    table = batch.tables["measurements"]
    assert list(table.columns) == ["patient", "taken_at", "pressure"]
    assert table["patient"].str.fullmatch(r"M\d+").all()
    steps = table.groupby("patient")["pressure"].diff().abs()
    assert steps.median() < table["pressure"].diff().abs().median()
    assert table.groupby("patient")["taken_at"].is_monotonic_increasing.all()


def change(**values: Any) -> dict[str, Any]:
    """Return the tables' links with some keys of `stays` changed."""
    return {**hospital.TABLES, "stays": {**hospital.TABLES["stays"], **values}}


@pytest.mark.parametrize(
    ("tables", "words"),
    [
        ({}, "tables: name the tables, such as"),
        ({"a": {"key": "x", "parent": "b"}, "b": {"key": "y", "parent": "a"}}, "a, b are parents of each other"),
        (change(parent="patient"), r"stays\.parent: no table 'patient' \(did you mean 'patients'\?\)"),
        ({**hospital.TABLES, "wards": {"key": "w"}}, "patients, wards have no parent; one table holds the subjects"),
        (change(key=None), r"tables\.stays: drugs is below it, so its `key` must be named"),
        (change(ordr="admitted"), r"unknown key 'ordr' \(did you mean 'order'\?\)"),
        ({"patients": {"key": "p", "order": "born"}}, r"patients\.order: rows are put in order below a parent"),
        (change(columns={"stay_id": "category"}), "'stay_id' is category and a key too; take one back"),
        (change(group="patient_id"), "`group` implies a parent; give it, or `parent`"),
        ({"patients": {"implied": True}}, "an implied table has a `key` and nothing else"),
    ],
    ids=["none", "cycle", "parent", "roots", "no-key", "unknown", "order", "kind", "group", "implied"],
)
def test_links_that_cannot_be_are_refused(tables: dict[str, Any], words: str) -> None:
    """One line names what is wrong in params.yaml."""
    with pytest.raises(ParamsError, match=words):
        links.parse(tables, "tables")


Damage = Callable[[dict[str, pd.DataFrame]], None]


def orphaned(tables: dict[str, pd.DataFrame]) -> None:
    tables["stays"].loc[[0, 3], "patient_id"] = "P9999"


def doubled(tables: dict[str, pd.DataFrame]) -> None:
    tables["stays"]["stay_id"] = tables["stays"]["stay_id"].mask(tables["stays"].index == 1, 40_000)


def keyless(tables: dict[str, pd.DataFrame]) -> None:
    tables["patients"] = tables["patients"].drop(columns="patient_id")


def linkless(tables: dict[str, pd.DataFrame]) -> None:
    tables["drugs"] = tables["drugs"].rename(columns={"stay_id": "stay"})


def crossed(tables: dict[str, pd.DataFrame]) -> None:
    tables["drugs"].loc[0, "patient_id"] = "P1553"


def unowned(tables: dict[str, pd.DataFrame]) -> None:
    tables["stays"]["patient_id"] = tables["stays"]["patient_id"].mask(tables["stays"].index == 5)


def prose(tables: dict[str, pd.DataFrame]) -> None:
    tables["stays"]["note"] = [f"seen on the {n}th by doctor {n * 7}, who found nothing" for n in tables["stays"].index]


def timeless(tables: dict[str, pd.DataFrame]) -> None:
    tables["drugs"]["given"] = "soon"


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (orphaned, "stays: 2 rows have a 'patient_id' that patients does not have; correct the source"),
        (doubled, "stays: 1 row repeats a 'stay_id', which is the key"),
        (keyless, "patients: no column 'patient_id', which is its key"),
        (linkless, r"drugs: no column 'stay_id', which is its foreign_key \(did you mean 'stay'\?\)"),
        (crossed, "drugs: in 1 row 'patient_id' is not the one of the stays that they belong to"),
        (unowned, "stays: 1 row has no 'patient_id'"),
        (prose, "stays: identifiers or free text, which must not be released: 'note'"),
        (timeless, "drugs: its order 'given' is category; rows follow each other by dates or numbers"),
    ],
    ids=lambda value: value.__name__ if callable(value) else None,
)
def test_tables_that_do_not_fit_are_refused(damage: Damage, words: str, tmp_path: Path) -> None:
    """One line says which table and what, and shows no cell."""
    tables = hospital.frames()
    damage(tables)
    with pytest.raises((SourceError, SchemaError), match=words) as caught:
        relationsource.read(hospital.write(tmp_path, tables), links.parse(hospital.TABLES, "tables"))
    assert "P9999" not in str(caught.value)
    assert "doctor" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A table's file is missing, or called otherwise."""
    tables = hospital.frames()
    hospital.write(tmp_path, {"patient": tables["patients"], "stays": tables["stays"], "drugs": tables["drugs"]})
    with pytest.raises(SourceError, match=r"no file is called as the table patients; .*did you mean 'patient'"):
        relationsource.read(tmp_path, links.parse(hospital.TABLES, "tables"))
    with pytest.raises(SourceError, match="no such file or folder"):
        relationsource.read(tmp_path / "none", links.parse(hospital.TABLES, "tables"))


def block(**values: Any) -> dict[str, Any]:
    stated = {"licence": "own", "legal_basis": "own", "retention": "P1Y"}
    return {"source": "drop/hospital", "modality": "relational", "tables": hospital.TABLES, **stated, **values}


def test_params_of_related_tables() -> None:
    """No usefulness is asked for, the model is the one there is, and `tables` goes with the modality."""
    experiment = parse("ward", block())
    assert experiment.model.name == "relational"
    assert experiment.validate.utility_min is None
    with pytest.raises(ParamsError, match=r"tables: goes with `modality: relational`"):
        parse("ward", block(modality="tabular"))
    with pytest.raises(ParamsError, match=r"tables: goes with `modality: relational`"):
        parse("ward", block(tables={}))
    with pytest.raises(ParamsError, match=r"model\.learner: 'cat' is none of cart, masked \(did you mean 'cart'"):
        registry.create("relational", {"learner": "cat"})


def test_one_device(parts: tuple[Relations, Relations, RelationalSchema]) -> None:
    """Several devices are refused and not ignored."""
    with pytest.raises(ModelError, match="relational learns on one device"):
        fitted(parts[0], parts[2], "cart", Training(0, devices=2))


def test_rare_levels_are_those_of_few_subjects(source: tuple[Relations, RelationalSchema]) -> None:
    """A drug that one patient was given many times is rare, and stands in no schema, codec or model."""
    data, like = source
    stay = data.tables["drugs"]["stay_id"].value_counts().index[0]
    drugs = data.tables["drugs"].copy()
    drugs["drug"] = drugs["drug"].astype(object).mask(drugs["stay_id"] == stay, "Zanzibar root").astype("str")
    drugs["dose"] = drugs["dose"].mask(drugs["stay_id"] == stay, 1234.5)
    odd = Relations({**data.tables, "drugs": pd.concat([drugs, *[drugs[drugs["stay_id"] == stay]] * 5])}, data.links)
    schema = relational.learnt(odd, like, least=5, ends=True)
    train, cells = relational.merged(odd, schema)
    assert cells
    codec = RelationalCodec.fit(train, schema, 10)
    told = json.dumps(codec.to_json())
    assert "Zanzibar" not in told
    assert "1234.5" not in told
    most = 6 * int((data.tables["drugs"]["stay_id"] == stay).sum())
    assert int(codec.standing["drugs"].schema.column("left").maximum or 0) < most - 1


def test_every_modality_is_known() -> None:
    """The registry hands out the modality."""
    assert isinstance(MODALITIES["relational"], Relational)


def test_a_workbook_has_a_sheet_for_each_table(tmp_path: Path) -> None:
    """Tables are read from the sheets of their names, alone or in a folder."""
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        for name, table in hospital.frames(30).items():
            table.to_excel(book, sheet_name=name, index=False)
    rows = {name: len(table) for name, table in hospital.frames(30).items()}
    found, _ = relationsource.read(tmp_path / "book.xlsx", links.parse(hospital.TABLES, "tables"))
    assert found.data.rows == rows  # type: ignore[union-attr]
    sheets = {name: {**entry, "file": f"book.xlsx#{name}"} for name, entry in hospital.TABLES.items()}
    again, _ = relationsource.read(tmp_path, links.parse(sheets, "tables"))
    assert again.data.rows == rows  # type: ignore[union-attr]


def test_links_are_found_in_a_folder(folder: Path, tmp_path: Path) -> None:
    """Keys, parents and orders follow from the columns; tables that do not hang together are left to a person."""
    assert relate.are_tables(folder)
    assert relate.propose(folder) == hospital.TABLES
    assert not relate.are_tables(tmp_path)
    alone = {name: table for name, table in hospital.frames().items() if name != "stays"}
    alone["drugs"] = alone["drugs"].drop(columns="patient_id")
    with pytest.raises(SourceError, match="drugs, patients belong to no other; write `tables:` yourself"):
        relate.propose(hospital.write(tmp_path, alone))


def test_what_keeps_tables_apart_is_told_in_numbers(tmp_path: Path) -> None:
    """A stranger, a gap, a key twice, two parents: counted and named by column, and no value is shown."""
    patients, visits = pd.DataFrame({"pid": range(40)}), pd.DataFrame({"pid": [*range(40), *range(40)], "cost": 1})
    doctors = pd.DataFrame({"doctor": range(5)})
    faults = {
        "in 1 row visits.pid is not in patients.pid": {"visits": visits.replace({"pid": {7: 4711}}).drop(index=[47])},
        "in 2 rows visits.pid is missing": {
            "visits": visits.assign(pid=visits["pid"].astype("Int64").mask(visits.index < 2))
        },
        "in 1 row patients.pid is there a second time": {"patients": pd.concat([patients, patients[:1]])},
        "visits belongs to doctors and patients, and a table has one parent": {
            "doctors": doctors,
            "visits": visits.assign(doctor=visits["pid"] % 5),
        },
    }
    for number, (words, changed) in enumerate(faults.items()):
        folder = hospital.write(tmp_path / str(number), {"patients": patients, "visits": visits, **changed})
        with pytest.raises(SourceError) as error:
            relate.propose(folder)
        assert f"; {words}; mend that, or write" in str(error.value)
        assert "4711" not in str(error.value)


MIMIC = Path(os.environ.get("SYNTHTRAIL_SHARED", ROOT.parent / "shared")) / "data/mimic3_demo"


@pytest.mark.skipif(not MIMIC.is_dir(), reason="the MIMIC-III demo is not in ../shared")
def test_the_mimic_demo_is_read_as_the_catalog_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Digests, links and columns of the catalog's block fit the demo; patients, admissions and all below are learnt."""
    monkeypatch.setenv("SYNTHTRAIL_DATA", str(MIMIC.parent))
    monkeypatch.chdir(ROOT)
    block = yaml.safe_load((ROOT / "catalog/mimic3_demo.yaml").read_text(encoding="utf-8"))
    source, like = relationsource.read(Path(block["source"]), links.parse(block["tables"], "tables"))
    data: Any = source.data
    assert data.rows == {"patients": 100, "admissions": 129, "diagnoses": 1761, "prescriptions": 10398}
    schema = relational.learnt(data, like, least=1, ends=False)
    names = schema.learned["admissions"].names
    assert names[:3] == (
        "first admittime after patients.dod",
        "admittime since the one before",
        "dischtime after admittime",
    )
    flat = unroll(data, schema)["diagnoses"]
    assert set(flat.rows["seq_num since the one before"].dropna()) == {1}
    few = taken(data, np.arange(12))
    small = relational.learnt(few, like, least=1, ends=False)
    assert MODALITY.check(made(fitted(few, small), small, 5), small) == []
