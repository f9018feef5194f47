"""The report: whole, the same every time, self-contained, and safe whatever the data call themselves."""

import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris

from synthtrail.data.image import Images, ImageSet
from synthtrail.data.schema import infer
from synthtrail.evaluation.canvas import clean
from synthtrail.evaluation.judge import Judgement, Thresholds, judge_images, judge_table

HOSTILE = [
    "<script>alert(1)</script>",
    "$\\frac{",
    "a\"b' onload=x",
    "line\nbreak\x00\x07",
    "}{name}%s$name",
    "名前 🚑",
]
MARKS = Thresholds(utility_min=0.5, accuracy_min=0.5)


def iris() -> pd.DataFrame:
    table: pd.DataFrame = load_iris(as_frame=True).frame
    return table.assign(target=pd.Series([f"kind {i}" for i in table["target"]], dtype="str"))


def judged(table: pd.DataFrame, target: str, data_class: str = "public", name: str = "test") -> Judgement:
    order = np.random.default_rng(0).permutation(len(table))
    train, holdout, synthetic = (table.iloc[rows] for rows in np.split(order, [60, 90]))
    schema = infer(train, target)
    return judge_table(
        train, holdout, synthetic, schema, name=name, seed=0, data_class=data_class, thresholds=MARKS, count=60
    )


def judged_images(data_class: str) -> Judgement:
    data = load_digits()
    pixels = np.round(data.images * 255 / 16).astype(np.uint8)[..., None]
    every = ImageSet(pixels, data.target.astype(str).astype(object), tuple(str(i) for i in range(len(pixels))))
    train, holdout, synthetic = (Images().take(every, np.arange(a, b)) for a, b in ((0, 300), (300, 500), (500, 800)))
    schema = Images().infer(train)
    return judge_images(
        train, holdout, synthetic, schema, name="digits", seed=0, data_class=data_class, thresholds=MARKS, count=300
    )


@pytest.fixture(scope="module")
def public() -> Judgement:
    return judged(iris(), "target")


@pytest.fixture(scope="module")
def hostile() -> Judgement:
    table = iris().iloc[:, [0, 1, 2, 3, 4]].set_axis(HOSTILE[:5], axis=1)
    kinds = {"kind 0": "<img src=x onerror=y>", "kind 1": "$x$", "kind 2": HOSTILE[5]}
    return judged(table.assign(**{HOSTILE[4]: table[HOSTILE[4]].map(kinds).astype("str")}), HOSTILE[4], name="<b>&")


class Tags(HTMLParser):
    """Every tag and attribute of a page, as a browser would see them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_the_same_inputs_and_seed_give_the_same_bytes(public: Judgement) -> None:
    """Page, document, suite and every figure, the second time as the first."""
    again = judged(iris(), "target")
    assert again.report_html() == public.report_html()
    assert json.dumps(again.report_json()) == json.dumps(public.report_json())
    assert (again.suite, again.figures) == (public.suite, public.figures)


def test_the_verdict_comes_first_with_its_reasons(public: Judgement) -> None:
    """Before any score the page says what was decided and why, and the document says the same."""
    page, document = public.report_html(), public.report_json()
    assert document["verdict"]["level"] == public.verdict.level == "review"
    assert page.index(public.verdict.reasons[0].text) < page.index("utility_ratio")
    assert len(document["scores"]) == len(public.scores)


def test_the_document_has_numbers_and_no_nan(public: Judgement) -> None:
    """Strict JSON; scores are numbers; the flat metrics are those with a value."""
    document = json.loads(json.dumps(public.report_json(), allow_nan=False))
    values = {score["name"]: score["value"] for score in document["scores"]}
    assert {name: value for name, value in values.items() if value is not None} == public.metrics
    assert all(isinstance(value, float) for value in public.metrics.values())


def test_the_page_loads_and_runs_nothing(public: Judgement, hostile: Judgement) -> None:
    """No script, no handler, no address but data: inside the page, and a policy that forbids them."""
    for judgement in (public, hostile):
        tags = Tags(judgement.report_html()).found
        assert not {"script", "link", "iframe", "b", "object"} & {tag for tag, _ in tags}
        assert not [name for _, attributes in tags for name in attributes if name.startswith("on")]
        sources = [attributes["src"] for tag, attributes in tags if tag == "img"]
        assert len(sources) == len(judgement.figures) == 5
        assert all((source or "").startswith("data:image/svg+xml;base64,") for source in sources)
        assert ("http-equiv", "Content-Security-Policy") in [item for _, a in tags for item in a.items()]


def test_names_from_data_are_text(hostile: Judgement) -> None:
    """Hostile column names and categories appear escaped, and do not upset figures, suite or document."""
    page = hostile.report_html()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "&lt;b&gt;&amp;" in page
    assert "<script" not in page
    assert json.loads(hostile.suite)["name"] == "<b>&"
    assert set(hostile.figures) == {"columns", "correlations", "embedding", "utility", "privacy"}


def test_figures_are_well_formed_and_inert(public: Judgement, hostile: Judgement) -> None:
    """Every figure is XML without script, date or address of anything outside it."""
    for svg in (*public.figures.values(), *hostile.figures.values()):
        root = ElementTree.fromstring(svg)  # noqa: S314 - our own figures
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        names = [element.tag.rpartition("}")[2] for element in root.iter()]
        assert not {"script", "foreignObject", "date"} & set(names)
        links = [value for element in root.iter() for key, value in element.attrib.items() if key.endswith("href")]
        assert all(link.startswith(("#", "data:image/png")) for link in links)


def test_names_are_cut_and_cleaned_for_drawing() -> None:
    """One line, no control characters, no longer than asked, never empty."""
    assert clean("line\nbreak\x00\x07") == "line break"
    assert clean("\x00") == "(unnamed)"
    assert len(clean("x" * 99)) == 26
    assert clean("a\u202eb") == "a b"


def marker_counts(svg: str) -> int:
    """How many points of a scatter an SVG draws."""
    return len(re.findall(r"<use ", svg))


def test_of_a_confidential_source_no_real_row_is_shown(public: Judgement) -> None:
    """No points, no bounds: the embedding is drawn as cells, expectations and suite withhold what came from values."""
    private = judged(iris(), "target", data_class="confidential")
    assert marker_counts(public.figures["embedding"]) > 100
    assert marker_counts(private.figures["embedding"]) < 50
    assert "(withheld)" in private.report_html()
    assert "min_value" not in json.dumps([one["kwargs"] for one in private.expectations["results"]])
    assert private.metrics == public.metrics
    assert "only groups of at least five" in private.report_html()


def test_images_of_a_confidential_source_are_shown_as_means() -> None:
    """Real images are drawn of a public source only; both reports have the synthetic ones."""
    public, private = judged_images("public"), judged_images("confidential")
    assert "real: class means" in private.figures["images"]
    assert "real (training)" in public.figures["images"]
    assert public.metrics == private.metrics
    assert public.verdict.level == "review"


def test_rows_without_a_target_are_judged_too() -> None:
    """No target: utility is told as not measured, and asking for it gives a review, not an error."""
    table = iris().drop(columns="target")
    schema = infer(table)
    found = judge_table(
        table[:60], table[60:90], table[90:], schema, name="x", seed=0, data_class="public", thresholds=MARKS
    )
    assert "utility_ratio" not in found.metrics
    assert "not measured" in found.report_html()
    assert any("no target column is named" in reason.text for reason in found.verdict.reasons)
