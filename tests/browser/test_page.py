"""The web page as people meet it: verdicts, hostile bundles, no network, strict formats, lineage, keyboard, print."""

import base64
import io
import json
import random
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from synthtrail.custody import acts, archive, canonical
from synthtrail.custody.archive import Archive
from synthtrail.custody.errors import FormatError
from synthtrail.custody.findings import CODES
from tests.browser.chromium import Browser
from tests.browser.page import PAGE, regenerate
from tests.browser.verifier import DECLARED, Verifier, ledger_as_it_is, pack
from tests.unit.custody.conftest import pristine, world
from tests.unit.custody.forgery import audit, entries_of, write_bundle
from tests.unit.custody.ledger_factory import (
    ADA,
    OPERATOR,
    STAGES,
    START,
    WITNESSES,
    World,
    good_world,
    item,
    make_policy,
    make_record,
)
from tests.vectors.conftest import vectors

__all__ = ["pristine", "vectors", "world"]  # fixtures


COMMIT = "3f9a1c02b7e44d1f8c6a5e9d0b1c2d3e4f5a6b7c"


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three experiments: one approved, one passed, one that a person refused; cosigned."""
    made = good_world(tmp_path_factory.mktemp("story"))
    at = made.tick()
    with made.ledger.transaction(at) as tx:
        for stage in STAGES:
            record = make_record("digits", stage, 1, "review")
            tx.add(
                acts.made(tx.state, record, OPERATOR, at=at, context=[("git.commit", COMMIT), ("mlflow.run", "0a1b")])
            )
        tx.commit()
    fields: dict[str, canonical.Value] = {"outcome": "refuse", "notes": "too close to the training rows"}
    made.act("reviewed", ADA, on=[item("digits", "generate")], meaning="review", fields=fields)
    made.cosign(*WITNESSES[:2])
    return made


def bundle_of(world: World, *more: archive.Member) -> bytes:
    return pack([*ledger_as_it_is(world.path), *more])


def shown(verifier: Verifier, selector: str) -> str:
    """The text of an element, as a person sees it."""
    text: str = verifier.page.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")
    return text


def picture(verifier: Verifier, folder: Path | None, name: str) -> None:
    if folder is not None:
        verifier.page.screenshot(folder / f"{name}.png")


# -- verdicts --------------------------------------------------------------------------------------------------------


def test_a_good_ledger_reaches_a_level_and_says_what_is_open(
    verifier: Verifier, world: World, screenshots: Path | None
) -> None:
    """Dropped by hand. Never a bare OK: level, meaning, and what was not checked stand in one box."""
    report = verifier.drop(bundle_of(world), policy=world.policy.encode(), now=world.now)
    assert (report["level"], report["findings"]) == ("A", [])
    verdict = shown(verifier, "#verdict")
    assert "Level A reached" in verdict
    assert "another history" in verdict
    assert "that any statement was true when it was signed" in verdict
    assert "sequencer's clock" in shown(verifier, "#scope")
    picture(verifier, screenshots, "level-a")


def test_evidence_raises_the_level(verifier: Verifier, story: World, screenshots: Path | None) -> None:
    report = verifier.report(
        bundle_of(story), policy=story.policy.encode(), now=story.now, since=story.ledger.checkpoint
    )
    assert report["claims"] == ["A", "B", "C"]
    picture(verifier, screenshots, "level-c")


def test_a_bundle_cannot_vouch_for_its_own_policy(verifier: Verifier, story: World, screenshots: Path | None) -> None:
    """No level with the bundle's policy; one's own counts instead, and so does a digest that was compared."""
    bundle = bundle_of(story, archive.member("policy.json", story.policy.encode()))
    report = verifier.report(bundle, policy=None, now=story.now)
    assert (report["level"], report["claims"], report["findings"]) == (None, [], [])
    assert "proves nothing about itself" in shown(verifier, "#verdict")
    picture(verifier, screenshots, "unpinned")
    verifier.page.click("#confirm")
    report = verifier.settled()
    assert (report["level"], report["policy"]["source"]) == ("C", "compared")
    forged = bundle_of(story, archive.member("policy.json", make_policy(quorum=0).encode()))
    report = verifier.report(forged, policy=story.policy.encode(), now=story.now)
    assert (report["level"], report["policy"]["source"]) == ("C", "yours")


def test_faults_are_named_in_plain_words(verifier: Verifier, world: World, screenshots: Path | None) -> None:
    entries = entries_of(world)
    at = entries[9].index(b'"payload":"') + 200
    entries[9] = entries[9][:at] + (b"A" if entries[9][at : at + 1] != b"A" else b"B") + entries[9][at + 1 :]
    write_bundle(world, entries)
    report = verifier.report(bundle_of(world), policy=world.policy.encode(), now=world.now)
    assert {item["code"] for item in report["findings"]} == audit(world).codes
    assert "no level is reached" in shown(verifier, "#verdict")
    assert "an entry is not the one that the signed tree holds" in shown(verifier, "#findings")
    assert verifier.page.evaluate("document.querySelectorAll('svg .flagged').length") > 0
    picture(verifier, screenshots, "faults")


def test_without_a_policy_or_a_bundle_nothing_passes(verifier: Verifier, world: World) -> None:
    report = verifier.report(bundle_of(world), policy=None, now=world.now)
    assert "there is no policy" in report["refused"]
    report = verifier.report(bundle_of(world), policy=b"{}", now=world.now)
    assert "the policy cannot be used" in report["refused"]
    assert "Nothing was verified" in shown(verifier, "#verdict")
    verifier.clear(world.now)
    assert verifier.page.evaluate("[document.body.dataset.state, byId('verdict').hidden, byId('report').hidden]") == [
        "idle", True, True,
    ]  # fmt: skip


def test_files_can_be_picked_too(verifier: Verifier, world: World, tmp_path: Path) -> None:
    """File pickers, for who cannot drag; the order does not matter."""
    verifier.clear(world.now)
    (tmp_path / "policy").write_bytes(world.policy.encode())
    (tmp_path / "bundle").write_bytes(bundle_of(world))
    verifier.page.set_files("#policy", [tmp_path / "policy"])
    verifier.page.set_files("#bundle", [tmp_path / "bundle"])
    assert verifier.settled()["level"] == "A"


# -- hostile archives ------------------------------------------------------------------------------------------------


def _insert(data: bytes, at: int, more: bytes) -> bytes:
    return data[:at] + more + data[at:]


ARCHIVES: dict[str, Callable[[bytes], bytes]] = {
    "not a ZIP": lambda _: b"PK but nothing else",
    "cut off": lambda data: data[:-30],
    "bytes before": lambda data: b"PK\x00\x00" + data,
    "bytes behind": lambda data: data + b"\0",
    "comment": lambda data: data[:-2] + b"\x01\x00!",
    "gap before the directory": lambda data: _insert(data, data.index(b"PK\x01\x02"), b"gap"),
    "two spellings of one header": lambda data: data.replace(b"ledger/checkpoint", b"ledger/chEckpoint", 1),
    "path that leaves": lambda data: data.replace(b"ledger/tile/0/000", b"ledger/../etc/000"),
    "absolute path": lambda data: data.replace(b"ledger/tile/0/000", b"/edger/tile/0/000"),
    "tile that is none": lambda data: data.replace(b"ledger/tile/0/000", b"ledger/tile/0/0x0"),
    "compressed": lambda data: data.replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x00\x00\x08\x00"),
    "encrypted": lambda data: data.replace(b"\x14\x00\x00\x00\x00\x00", b"\x14\x00\x01\x00\x00\x00"),
    "link": lambda data: data.replace(b"\x00\x00\xa4\x81", b"\x00\x00\xff\xa1"),
    "dated": lambda data: data.replace(b"\x00\x00\x21\x00", b"\x00\x00\x22\x00"),
    "empty": lambda _: b"PK\x05\x06" + bytes(18),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_an_archive_with_more_than_one_reading_is_refused(verifier: Verifier, world: World, name: str) -> None:
    """As our own reader refuses it."""
    good = bundle_of(world)
    bad = ARCHIVES[name](good)
    assert bad != good
    with pytest.raises(FormatError):
        Archive(io.BytesIO(bad))
    report = verifier.report(bad, policy=world.policy.encode(), now=world.now)
    assert "refused" in report
    assert "an error of the page" not in report["refused"]


def test_damage_inside_a_bundle_is_a_finding(verifier: Verifier, world: World) -> None:
    """One bit of a tile, with the archive's check sum left alone: that file is gone, the rest is still judged."""
    good = bundle_of(world)
    name = b"ledger/tile/0/000.p/%d" % world.ledger.head.size
    at = good.index(name) + len(name) + 9
    bad = good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]
    report = verifier.report(bad, policy=world.policy.encode(), now=world.now)
    assert [item["code"] for item in report["findings"]] == ["ledger-damaged"]


def test_a_forged_size_costs_no_time(verifier: Verifier, world: World) -> None:
    """A head that nobody signed may claim 2^62 entries; the page neither hangs nor believes it."""
    lines = world.ledger.checkpoint.split(b"\n")
    members = [member for member in ledger_as_it_is(world.path) if member.path != "ledger/checkpoint"]
    forged = archive.member("ledger/checkpoint", b"\n".join([lines[0], str(2**62).encode(), *lines[2:]]))
    report = verifier.report(pack([*members, forged]), policy=world.policy.encode(), now=world.now)
    assert {item["code"] for item in report["findings"]} >= {"signature-invalid", "entries-missing"}
    assert report["seconds"] < 5


# -- isolation -------------------------------------------------------------------------------------------------------


def test_no_request_leaves_the_page(verifier: Verifier, world: World) -> None:
    """It loads itself and its worker, nothing else; and its own policy stops a script that would try."""
    verifier.report(bundle_of(world), policy=world.policy.encode(), now=world.now)
    assert {address.split(":")[0] for address in verifier.page.requests()} == {"file", "blob"}
    assert verifier.page.complaints() == []
    assert not [name for name in ("http:", "https:", "//") if f'="{name}' in PAGE.read_text()]


def test_the_content_policy_holds(browser: Browser) -> None:
    """Fetching, beacons, images and evaluated code are all refused, to the network and from it."""
    page = browser.open(PAGE)
    tried = """(async () => {
      const event = (make) => new Promise((yes, no) => {
        const made = make();
        Object.assign(made, { onopen: yes, onload: yes, onerror: no });
      });
      const script = () => {
        const made = document.createElement("script");
        made.textContent = "window.ran = 1";
        document.head.append(made);
        if (!window.ran) throw Error();
      };
      const attempts = {
        fetch: () => fetch("https://example.com/"),
        socket: () => event(() => new WebSocket("wss://example.com/")),
        image: () => event(() => Object.assign(new Image(), { src: "data:image/gif;base64,R0lGODlhAQABAAAAACw=" })),
        script: async () => script(),
        eval: async () => eval("1"),
      };
      const results = {};
      for (const [name, attempt] of Object.entries(attempts)) {
        results[name] = await attempt().then(() => true, () => false);
      }
      return results;
    })()"""
    assert page.evaluate(tried) == {"fetch": False, "socket": False, "image": False, "script": False, "eval": False}
    assert any("Content Security Policy" in text for text in page.complaints())
    page.call("Page.close")


def test_tables_and_content_policy_are_up_to_date() -> None:
    """What the page judges by is what Python judges by; run `python -m tests.browser.page` after a change."""
    text = PAGE.read_text()
    assert regenerate(text) == text


def test_every_code_is_declared_once() -> None:
    """The page's table has all codes of ours, each as judged, judged in part, or not checked and why."""
    parts = [set(DECLARED["judged"]), set(DECLARED["partly"]), set(DECLARED["not"])]
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert set().union(*parts) == set(CODES)
    assert all((DECLARED["partly"] | DECLARED["not"]).values())


def test_the_table_is_shown(verifier: Verifier) -> None:
    """Whatever the page does not judge, it calls not checked."""
    cells = "[...document.querySelectorAll('#coverage tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    rows = verifier.page.evaluate(cells)
    assert [row[0] for row in rows] == list(CODES)
    assert [row[0] for row in rows if row[2].startswith("not checked")] == [
        name for name in CODES if name in DECLARED["not"]
    ]


# -- strict formats --------------------------------------------------------------------------------------------------


def test_exactly_the_strict_signatures_are_accepted(verifier: Verifier, vectors: Path) -> None:
    """C2SP/CCTV: of 914 signatures at the edges, 43; the browser alone would take many more."""
    cases = json.loads((vectors / "C2SP-CCTV/ed25519/ed25519vectors.json").read_bytes())
    forgiven = {"low_order_component_A", "low_order_component_R", "reencoded_k"}
    strict = [case["number"] for case in cases if not set(case["flags"] or ()) - forgiven]
    script = """(async cases => {
      const accepts = async ({ key, msg, sig }) => {
        try {
          await verifySignature(await makeKey("vector", fromHex(key), NOTE_TYPE), UTF8.encode(msg), fromHex(sig));
          return true;
        } catch (error) {
          if (!(error instanceof Fault)) throw error;
          return false;
        }
      };
      const found = [];
      for (const item of cases) if (await accepts(item)) found.push(item.number);
      return found;
    })"""
    assert verifier.page.evaluate(f"{script}({json.dumps(cases)})") == strict
    assert len(strict) == 43


EDGES = [
    b"{}", b"[]", b"null", b"", b" ", b"nul", b"{", b'{"a"}', b'{"a":1,}', b"[1,]", b"[1 2]", b"1", b"-1", b"-0", b"01",
    b"1.", b"1.0", b"1e3", b"1E400", b".5", b"+1", b"NaN", b"Infinity", b"-Infinity", b"[NaN]", b"9007199254740991",
    b"-9007199254740991", b"9007199254740992", b"-9007199254740992", b"1" * 400, b'"\\ud800"', b'"\\ud83d\\ude00"',
    b'"\xf0\x9f\x98\x80"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b"\xef\xbb\xbf{}", b'"\x01"', b'"\\x"', b'"\\u12g4"',
    b'"\\/"', b'"/"', b'"\x7f"', '"\u2028"'.encode(), '"e\u0301"'.encode(), '"\u00e9"'.encode(),
    '{"\u00e9":1}'.encode(),
    b'{"\\u00e9":1}', b'{"b":1,"a":2}', b'{"a":1,"a":2}', b'{"\\u0061":1,"a":2}', b'{"10":1,"9":2}', b'{"9":1,"10":2}',
    b'{"__proto__":1}', b'{"__proto__":{"a":1},"a":2}', b'{"constructor":1,"toString":2}', b'{"":1}', b"[1]\n",
    b"\t[1]",
    b"[" * 32 + b"]" * 32, b"[" * 33 + b"]" * 33, b"[" * 33, b"[" * 3000 + b"]" * 3000, b'"' + b"a" * 65534 + b'"',
    b'"' + b"a" * 65535 + b'"', b'{"a":{"c":1,"b":2}}', b"truefalse", b"true", b'"\\u001f"', b'"\\u001F"', b'"\\n"',
]  # fmt: skip


def test_canonical_json_is_read_alike(verifier: Verifier) -> None:
    """Edges of the grammar, and an entry with random damage: the same fault by the same name, or none."""
    draw = random.Random(7)  # noqa: S311
    record = canonical.encode({**make_record("ïris", "ingest"), "facts": [{"name": "größe", "value": "𝔸"}]})
    tokens = [b'"', b"{", b"}", b",", b":", b"1.5", b"-", b"\\", b"\xc3", b"\xcc\x81", b" ", b'"a":1,', b"\\u0061"]
    corpus = list(EDGES)
    for _ in range(600):
        at = draw.randrange(len(record))
        more = draw.choice(tokens) if draw.random() < 0.7 else bytes([draw.randrange(256)])
        corpus.append(record[:at] + more + record[at + draw.randrange(3) :])
    script = """(texts => texts.map(text => {
      try {
        return encode(decode(Uint8Array.from(atob(text), c => c.charCodeAt(0)))) && "fine";
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return error.code;
      }
    }))"""
    encoded = [base64.b64encode(data).decode() for data in corpus]
    found = verifier.page.evaluate(f"{script}({json.dumps(encoded)})")
    expected = [_fault(data) for data in corpus]
    assert [row for row in zip(corpus, found, expected, strict=True) if row[1] != row[2]] == []
    assert set(expected) >= {"fine", "json", "number", "unicode", "duplicate-key", "not-canonical", "depth", "size"}


def _fault(data: bytes) -> str:
    try:
        canonical.decode(data)
    except FormatError as error:
        return error.code
    return "fine"


# -- lineage and use -------------------------------------------------------------------------------------------------


def test_the_lineage_tells_who_when_and_with_what(verifier: Verifier, story: World, screenshots: Path | None) -> None:
    """From the source to the report, by mouse and by keyboard, with what happened since."""
    verifier.report(bundle_of(story), policy=story.policy.encode(), now=story.now)
    labels = verifier.page.evaluate(
        "[...document.querySelectorAll('svg')[0].querySelectorAll('.node')].map(n => n.getAttribute('aria-label'))"
    )
    assert [label.split(",")[0] for label in labels] == [
        "data/digits/raw", "data/digits/split", "data/digits/model", "data/digits/synthetic", "data/digits/report",
        "sources/digits.csv",
    ]  # fmt: skip
    assert "refused" in labels[3]
    assert verifier.page.evaluate("document.querySelectorAll('svg')[0].querySelectorAll('.edge').length") == 6
    verifier.page.click(".experiment .node:nth-of-type(4)")
    details = shown(verifier, ".experiment .details")
    for expected in (
        COMMIT,
        "example.com/operator",
        "Code digest",
        "model.steps = 1500",
        "made in entry",
        "too close to",
    ):
        assert expected in details
    assert "Ada L." in shown(verifier, "#keys")
    picture(verifier, screenshots, "lineage")
    verifier.page.evaluate("document.querySelectorAll('svg')[1].querySelector('.node').focus()")
    verifier.page.press("Enter")
    assert "data/iris/raw" in shown(verifier, ".experiment:nth-of-type(2) .details")


def test_text_from_a_bundle_stays_text(verifier: Verifier, world: World) -> None:
    """Markup is shown as it is written, and characters that would reverse a line are spelled out."""
    name = "<img src=x onerror=alert(1)>\u202egnp.exe"
    fields: dict[str, canonical.Value] = {"purpose": name, "proposal": "<script>alert(2)</script>"}
    world.act("access-requested", OPERATOR, on=[item("iris", "generate")], fields=fields)
    verifier.report(bundle_of(world), policy=world.policy.encode(), now=world.now)
    verifier.page.click(".experiment .node:nth-of-type(4)")
    details = shown(verifier, ".experiment .details")
    assert "<img src=x onerror=alert(1)>⟨U+202E⟩gnp.exe" in details
    assert verifier.page.evaluate("document.querySelectorAll('img, #report script').length") == 0


def test_five_hundred_entries(verifier: Verifier, tmp_path: Path, screenshots: Path | None) -> None:
    """Two bundles and an upper tile; experiments to choose from, entries by the page."""
    made = World(tmp_path, policy=make_policy(quorum=0), now=START)
    made.create()
    for version in range(1, 6):
        at = made.tick()
        with made.ledger.transaction(at) as tx:
            for number in range(20):
                for stage in STAGES:
                    tx.add(acts.made(tx.state, make_record(f"experiment-{number:02}", stage, version), OPERATOR, at=at))
            tx.commit()
    report = verifier.report(bundle_of(made), policy=made.policy.encode(), now=made.now)
    assert (report["level"], report["size"]) == ("A", 508)
    assert len(report["experiments"]) == 20
    verifier.page.evaluate(
        "byId('experiment').value = 'experiment-17', byId('experiment').dispatchEvent(new Event('change'))"
    )
    assert shown(verifier, "#lineage h3") == "experiment-17"
    assert "51 to 100 of 508" not in shown(verifier, "#entries-bar")
    verifier.page.click("#entries-bar button:last-of-type")
    assert "51 to 100 of 508" in shown(verifier, "#entries-bar")
    picture(verifier, screenshots, "five-hundred")


def test_it_prints_and_fits_a_telephone(
    verifier: Verifier, story: World, tmp_path: Path, screenshots: Path | None
) -> None:
    """On paper the tables are open; on a narrow screen the page itself does not scroll sideways."""
    verifier.report(bundle_of(story), policy=story.policy.encode(), now=story.now)
    verifier.page.print(tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")
    assert verifier.page.evaluate("document.querySelector('.experiment details').open")
    verifier.page.resize(390, 800)
    assert verifier.page.evaluate("document.documentElement.scrollWidth") <= 390
    picture(verifier, screenshots, "narrow")
    verifier.page.resize(1280, 900, dark=True)
    picture(verifier, screenshots, "dark")
    verifier.page.resize(1280, 900)


def test_the_clock_is_stated(verifier: Verifier, world: World) -> None:
    """Whoever asks for another time than the machine's sees it in the report; nonsense is no time."""
    moment = world.now + timedelta(days=3, microseconds=5)
    report = verifier.report(bundle_of(world), policy=world.policy.encode(), now=moment)
    assert report["now"] == round(moment.timestamp() * 1_000_000)
    assert "as you asked" in shown(verifier, "#scope")
    verifier.page.evaluate("byId('asof').value = 'yesterday', start()")
    assert "not a time" in verifier.page.evaluate("byId('asof-problem').textContent")
