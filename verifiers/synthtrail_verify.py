#!/usr/bin/env python3
"""A second verifier of synthtrail ledgers, in one file: Python 3.11 or later and `cryptography`, nothing to install.

    python synthtrail_verify.py LEDGER_OR_BUNDLE --policy policy.json [--since CHECKPOINT] [--now TIME] [--json]

Written from docs/ledger-specification.md, whose sections (§) it names. It shares no code with the program that writes
ledgers, so that a fault in one shows against the other. `JUDGES` lists the findings that it judges; whatever else a
ledger can be found guilty of it calls "not checked". It writes nothing and asks no network.

Exit code 0: all that it judges holds. 1: a finding. 2: there is nothing that it can judge.
"""
# ruff: noqa: T201  (a program that prints)

import argparse
import binascii
import hashlib
import json
import re
import sys
import unicodedata
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any, NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

JUDGES = {
    "nothing-to-check": "there is a checkpoint of at least one entry (§7)",
    "root-mismatch": "the entries give the signed root (§3)",
    "chain-broken": "each entry names the one before it (§2)",
    "entry-edited": "each entry is the one that the tree holds (§3)",
    "entries-missing": "every entry up to the checkpoint's size is there (§3)",
    "entries-reordered": "entries stand at their own places (§3)",
    "entry-inserted": "there is no entry that the tree does not hold (§3)",
    "ledger-damaged": "stored tiles and bundles are whole and what the entries give (§3)",
    "log-rolled-back": "the log is not shorter than the checkpoint brought along (§7)",
    "log-forked": "the log begins with the checkpoint brought along (§7)",
    "proof-malformed": "the checkpoint brought along can be used (§7)",
    "signature-invalid": "signatures fit (§1.3)",
    "key-weak": "keys and signature points are canonical and not of low order (§1.3)",
    "signature-malleable": "signatures and base64 have one spelling (§1.2, §1.3)",
    "type-confused": "key types and payload types are the agreed ones (§1.3, §4)",
    "json-duplicate-key": "no object names a key twice (§1.1)",
    "json-number": "numbers are integers within 2^53 (§1.1)",
    "json-unicode": "text is normalised Unicode (§1.1)",
    "json-not-canonical": "JSON has its one spelling (§1.1)",
    "entry-oversized": "entries and notes keep their limits (§1.1)",
    "path-unsafe": "paths stay below their root (§1.4)",
    "identifying-text": "what people wrote does not look as if it identified somebody (§5.2)",
    "statement-malformed": "statements have their fields and no others (§4, §5)",
    "event-of-another-ledger": "events were signed for this ledger (§4)",
    "event-replayed": "no event stands twice (§6)",
    "signer-unknown": "signers are listed (§6)",
    "key-substituted": "the listed key of the actor signed (§6)",
    "signer-revoked": "no key signed after its end or after it was compromised (§6)",
    "entry-back-dated": "times agree with the order of entries (§6)",
    "role-wrong": "roles allow the event (§6)",
    "person-needed": "a registered person signed where one is needed (§6)",
    "threshold-missed": "enough roots signed (§6)",
    "previous-wrong": "events name the latest event of each artifact (§6)",
    "custody-fork": "no two events follow one event (§6)",
    "transition-illegal": "the transition table allows it (§6)",
    "disposed-reappears": "nothing in the ledger uses what was disposed of (§6); files are not looked at",
    "record-unknown": "reused records were logged (§6)",
    "input-unknown": "inputs have a history (§6)",
    "answer-wrong": "answers have an open request (§6)",
    "acceptance-forged": "transfers are answered once, by the receiver (§6)",
    "self-approval": "requester and approver differ in key and person (§6)",
    "key-rejected": "keys may be listed as they are (§6)",
    "status-wrong": "a status is about the prefix before it, and its root is what that gives (§6.1)",
    "timestamp-bad": "anchors are not about entries to come (§6); tokens are not looked at",
    "check-unavailable": "the policy asks for no time-stamp token, which would not be checked here (§8)",
    "ledger-closed": "nothing follows the closing (§6)",
    "policy-mismatch": "the ledger ends under the pinned policy (§7)",
    "retention-overrun": "nothing outlived its retention (§7)",
    "disposal-dropped": "approved disposals were carried out (§7)",
    "quorum-missing": "enough witnesses cosigned (§8)",
    "witness-not-independent": "witnesses are not the operator (§8)",
}
"""Finding codes that this file judges, and what it looks at."""

# §5: event | about | roles | flags | fields | answers
EVENTS = """
ledger-opened | ledger | root | | policySha256:digest roots:vkeys threshold:count |
key-added | ledger | root | | key:vkey role:operator/steward/auditor/recipient person:text organisation:text |
key-rotated | ledger | root | | key:vkey replaces:text |
key-revoked | ledger | root | | name:text reason:prose compromisedSince:count |
policy-changed | ledger | root | | policySha256:digest roots:vkeys threshold:count |
anchored | ledger | operator sequencer | | size:count root:digest authority:text token:digest |
status | ledger | operator sequencer | | size:count root:digest |
incident | ledger | root sequencer operator steward auditor | opens | what:prose details:pairs |
recovered | ledger | root sequencer operator steward auditor | closes | what:prose request:digest | incident
ledger-closed | ledger | root | | reason:prose |
acquired | stage | operator | | |
derived | stage | operator | | |
trained | stage | operator | | |
generated | stage | operator | | |
validated | stage | operator | | |
reused | stage | operator | | |
reproduced | artifact | operator auditor | | outcome:identical/different rebuilt:digest details:pairs |
reviewed | artifact | operator steward auditor | person | outcome:pass/refuse/comment notes:prose |
approved | artifact | steward | person four-eyes | reason:prose |
rejected | artifact | steward | person four-eyes | reason:prose |
released | artifact | steward | person four-eyes | terms:prose place:text |
stored | artifact | operator | | place:text method:text details:pairs |
access-requested | artifact | operator recipient | opens | purpose:prose proposal:prose |
access-granted | artifact | steward | person four-eyes opens closes | request:digest expires:time terms:prose \
    | access-requested
access-refused | artifact | steward | person four-eyes closes | request:digest reason:prose | access-requested
accessed | artifact | operator recipient | | request:digest use:prose | access-granted
transfer-offered | artifact | operator steward | opens | receiver:text purpose:prose terms:prose expires:time |
transfer-accepted | artifact | recipient | closes | request:digest | transfer-offered
transfer-rejected | artifact | recipient | closes | request:digest reason:prose | transfer-offered
transfer-expired | artifact | operator steward | closes | request:digest | transfer-offered
retention-set | artifact | operator steward | | until:time basis:prose |
hold-placed | artifact | operator steward | opens | reason:prose |
hold-lifted | artifact | steward | person closes | request:digest reason:prose | hold-placed
disposal-requested | artifact | operator steward | opens | reason:prose |
disposal-approved | artifact | steward | person four-eyes opens closes | request:digest reason:prose \
    | disposal-requested
disposal-executed | artifact | operator steward | opens closes | request:digest certificate:digest details:pairs \
    | disposal-approved
disposal-verified | artifact | operator steward auditor | | request:digest outcome:clean/found details:pairs \
    | disposal-executed
"""

# §6: event | part | outcome | may follow | leads to (nothing: the state stays); LIVE is made … released
TRANSITIONS = """
acquired derived trained generated validated | made | | absent | made
acquired derived trained generated validated reused | made | | LIVE |
validated reused | judged | pass | made passed review refused rejected | passed
validated reused | judged | pass | approved released |
validated reused | judged | review | LIVE | review
validated reused | judged | refuse | LIVE | refused
reviewed | subject | pass | passed review | passed
reviewed | subject | refuse | passed review approved released | refused
reviewed | subject | comment | LIVE |
approved | subject | | passed | approved
rejected | subject | | passed review approved | rejected
released | subject | | approved | released
reproduced stored access-requested access-granted accessed retention-set disposal-requested | subject | | LIVE |
access-refused transfer-rejected transfer-expired | subject | | LIVE condemned disposed |
transfer-offered transfer-accepted | subject | | approved released |
hold-placed hold-lifted | subject | | LIVE condemned |
disposal-approved | subject | | LIVE | condemned
disposal-executed | subject | | condemned | disposed
disposal-verified | subject | | disposed |
"""

IDENTIFYING = [
    (r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}\.[A-Za-z0-9]", False),
    (r"(?<![\w+/=.-])\+[1-9](?:[ ./()-]{0,2}\d){6,14}(?![\w+])", False),
    (r"(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[.-])\d{3}[.-]\d{4}(?![\w-])", False),
    (r"\b(?:tel|phone|fax|mobile)\b[.:]?(?: no\.?| number)?:? ?\d[\d ()/.-]{4,20}\d", True),
    (r"(?<![\w-])\d{3}-\d{2}-\d{4}(?![\w-])", False),
    (r"\bMRN\b[ -/:-@]{0,3}\w{0,9}\d{3}", True),
    (r"\b(?:patient|medical record|health (?:plan|insurance)|beneficiary|member|account|licen[c"
     r"s]e|serial|device|policy)(?:'s)? (?:id|no|nr|number|#)\b[.:#]{0,2} ?(?:is )?[A-Z-]{0,4}\d{3}", True),
    (r"(?<![\w-])[A-Z]{2}\d{2}(?: ?[0-9A-Z]{4}){3,7}(?: ?[0-9A-Z]{1,3})?(?![\w-])", False),
    (r"(?<![\w-])\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?![\w-])", False),
    (r"(?<![\w-])(?=[0-9]*[A-Z])[A-HJ-NPR-Z0-9]{13}\d{4}(?![\w-])", False),
    (r"(?<![\w:-])(?:[0-9a-f]{2}([:-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![\w:-])", True),
    (r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)", False),
    (r"(?<![\w:])(?:(?:[0-9a-f]{1,4}:){7}|(?:[0-9a-f]{1,4}:){1,6}:)[0-9a-f]{1,4}(?![\w:])", True),
    (r"\bhttps?://(?:[\w.:%+-]{0,99}@|[\w.:%+~@/-]{0,99}(?:\?|/~|/(?:users?|people|persons?|pat"
     r"ients?|profiles?|in)/))", True),
    (r"\b(?:born|dob|birth ?day|(?:date|day) of (?:birth|death)|died|admitted|discharged)\b[ -/"
     r":-~]{0,12}\d{1,4}[-./ ]\d{1,2}[-./ ]\d{1,4}", True),
    (r"(?<![\w-])\d{5}-\d{4}(?![\w-])", False),
]  # fmt: skip
"""§5.2: what no prose may have in it; True: whatever the case."""

STAGES = {"ingest": "acquired", "preprocess": "derived", "train": "trained", "generate": "generated",
          "validate": "validated"}  # fmt: skip
RECORD = {"v", "experiment", "stage", "event", "subjects", "inputs", "views", "params", "seed", "code", "tools",
          "class", "privacy", "facts"}  # fmt: skip
POLICY = {"v", "origin", "organisation", "salt", "people", "roots", "threshold", "formerRoots", "sequencer",
          "witnesses", "quorum", "maxAge", "skew", "maxDelay", "timestamp", "timestampRoots", "retention"}  # fmt: skip
LIVE = ("made", "passed", "review", "refused", "approved", "rejected", "released")
MAX_INTEGER, MAX_LEAF, MAX_NOTE = 2**53 - 1, 65_535, 262_144
WIDTH, ZERO = 256, bytes(32)
SECOND = 1_000_000


class Fault(Exception):  # noqa: N818  (the data's, not the program's)
    """Data that is not of its form; the code is that of the finding."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


def need(condition: bool, code: str, text: str) -> None:
    """Raise `Fault` unless `condition`."""
    if not condition:
        raise Fault(code, text)


# --- §1 bytes ---------------------------------------------------------------------------------------------------------


def sha256(data: bytes) -> bytes:
    """The digest, 32 bytes."""
    return hashlib.sha256(data).digest()


def encode(value: Any) -> bytes:
    """Canonical JSON (§1.1)."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"))
    return text.encode()


def decode(data: bytes, limit: int = 65_536) -> Any:
    """The value whose canonical JSON is `data` (§1.1)."""
    need(len(data) <= limit, "entry-oversized", f"{len(data)} bytes")
    try:
        value = json.loads(data.decode(), parse_int=_integer, parse_float=_refuse, parse_constant=_refuse)
    except ValueError:
        raise Fault("ledger-damaged", "not JSON") from None
    except RecursionError:
        raise Fault("entry-oversized", "nested too deep") from None
    _check_value(value, 32)
    try:
        same = encode(value) == data
    except UnicodeEncodeError:
        raise Fault("json-unicode", "a lone surrogate") from None
    if not same:
        json.loads(data.decode(), object_pairs_hook=_unique)
        raise Fault("json-not-canonical", "not the canonical spelling")
    return value


def _integer(digits: str) -> int:
    need(len(digits) <= 17 and abs(int(digits)) <= MAX_INTEGER, "json-number", "an integer out of range")
    return int(digits)


def _refuse(text: str) -> NoReturn:
    raise Fault("json-number", f"{text[:40]} is not an integer")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    need(len(dict(pairs)) == len(pairs), "json-duplicate-key", "a key stands twice")
    return dict(pairs)


def _check_value(value: Any, depth: int) -> None:
    if isinstance(value, str) and not value.isascii():
        surrogate = any("\ud800" <= letter <= "\udfff" for letter in value)
        need(not surrogate and unicodedata.is_normalized("NFC", value), "json-unicode", "not NFC")
    elif isinstance(value, dict | list):
        need(depth > 0, "entry-oversized", "nested too deep")
        if isinstance(value, dict):
            need(all(key.isascii() for key in value), "json-unicode", "a key that is not ASCII")
        for item in value.values() if isinstance(value, dict) else value:
            _check_value(item, depth - 1)


def base64(text: str) -> bytes:
    """The bytes of which `text` is the one base64 (§1.2)."""
    try:
        data = binascii.a2b_base64(text)
    except ValueError:
        data = b""
    need(binascii.b2a_base64(data, newline=False).decode() == text, "signature-malleable", "base64 in another spelling")
    return data


def moment(value: Any) -> int:
    """Microseconds since 1970 (§1.2)."""
    text = string(value)
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise Fault("statement-malformed", "not a time") from None
    need(found.tzinfo is UTC and found.replace(tzinfo=None).isoformat() + "Z" == text, "statement-malformed", "a time")
    return int(found.timestamp()) * SECOND + found.microsecond


def string(value: Any, *, empty: bool = True) -> str:
    """A text of at most 4,096 characters."""
    good = isinstance(value, str) and len(value) <= 4096 and (empty or value.strip() != "")
    need(good, "statement-malformed", "a text is wanted")
    return str(value)


def count(value: Any) -> int:
    """An integer from 0 on."""
    need(type(value) is int and value >= 0, "statement-malformed", "a count is wanted")
    return int(value)


def digest(value: Any) -> bytes:
    """The bytes of a SHA-256 digest in hexadecimal."""
    good = isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None
    need(good, "statement-malformed", "a digest is wanted")
    return bytes.fromhex(value)


def pairs(value: Any, second: str = "value") -> None:
    """A list of {name, value}, both texts."""
    for item in array(value):
        members(item, {"name", second})
        string(item["name"]), string(item[second])


def array(value: Any) -> list[Any]:
    """A list."""
    need(isinstance(value, list), "statement-malformed", "a list is wanted")
    return list(value)


def members(value: Any, names: set[str]) -> dict[str, Any]:
    """An object with exactly these members."""
    good = isinstance(value, dict) and value.keys() == names
    need(good, "statement-malformed", f"members {sorted(names)} are wanted")
    return dict(value)


def path(value: Any) -> str:
    """A path below its root in its one spelling (§1.4)."""
    text = string(value)
    parts = text.split("/")
    good = not re.search(r"[\x00-\x1f\x7f\\]", text) and not {"", ".", ".."} & set(parts) and text[:1] != "-"
    need(good and unicodedata.is_normalized("NFC", text), "path-unsafe", f"not a path within a folder: {text[:80]!a}")
    return text


# --- §1.3 keys and signatures -----------------------------------------------------------------------------------------

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
_ORDER_8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
LOW_ORDER = {
    (y | sign << 255).to_bytes(32, "little") for y in (0, 1, P - 1, _ORDER_8, P - _ORDER_8, P, P + 1) for sign in (0, 1)
}


class Key:
    """A public key; `role`, `person` and its stretch of the log are set when it is listed (§6)."""

    def __init__(self, text: str, kind: int = 1) -> None:
        parts = text.split("+", 2)
        need(len(parts) == 3, "statement-malformed", "not a key")
        self.name, identity = key_name(parts[0]), parts[1]
        material = base64(parts[2])
        good = re.fullmatch("[0-9a-f]{8}", identity) is not None and material != b""
        need(good, "statement-malformed", "not a key")
        need(material[0] == kind, "type-confused", "a key of another type")
        self.id = sha256(self.name.encode() + b"\n" + material)[:4]
        need(self.id.hex() == identity, "statement-malformed", "the key id is not that of the key")
        self.public = check_point(material[1:])
        self.keyid = f"{self.name}+{identity}"
        self.role = self.person = ""
        self.since, self.until, self.compromised = -1, MAX_INTEGER, MAX_INTEGER

    def verify(self, message: bytes, signature: bytes) -> None:
        """Strict Ed25519."""
        need(len(signature) == 64, "signature-malleable", "a signature has 64 bytes")
        check_point(signature[:32])
        need(int.from_bytes(signature[32:], "little") < L, "signature-malleable", "S is not below the group order")
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            raise Fault("signature-invalid", f"not a signature by {self.name}") from None


def key_name(name: str) -> str:
    """A key's name: printable, without white space and plus signs."""
    good = name != "" and "+" not in name and name.isprintable() and not any(map(str.isspace, name))
    need(good, "statement-malformed", "not a name for a key")
    return name


def check_point(point: bytes) -> bytes:
    """A canonical point that is not of low order."""
    good = len(point) == 32 and point not in LOW_ORDER and int.from_bytes(point, "little") % 2**255 < P
    need(good, "key-weak", "a point of low order or not in canonical form")
    return point


# --- §7 notes and checkpoints -----------------------------------------------------------------------------------------


def parse_note(data: bytes) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """The text and the signature lines (name, key id, signature) of a note."""
    need(len(data) <= MAX_NOTE, "entry-oversized", "a note is too long")
    try:
        whole = data.decode()
    except UnicodeDecodeError:
        raise Fault("ledger-damaged", "a note is UTF-8") from None
    text, gap, tail = whole.rpartition("\n\n")
    good = gap != "" and tail.endswith("\n") and not re.search("[\x00-\x09\x0b-\x1f]", whole)
    need(good, "ledger-damaged", "not a signed note")
    lines = []
    need(tail.count("\n") <= 100, "entry-oversized", "too many signatures")
    for line in tail[:-1].split("\n"):
        parts = line.removeprefix("— ").split(" ")
        need(line.startswith("— ") and len(parts) == 2, "ledger-damaged", "not a signature line")
        name, material = key_name(parts[0]), base64(parts[1])
        need(len(material) >= 5, "ledger-damaged", "a line without a signature")
        lines.append((name, material[:4], material[4:]))
    return text + "\n", lines


def parse_checkpoint(text: str) -> tuple[str, int, bytes]:
    """Origin, size and root of the three lines."""
    lines = text.split("\n")
    good = len(lines) == 4 and lines[3] == "" and lines[0] != "" and re.fullmatch("0|[1-9][0-9]{0,18}", lines[1])
    need(bool(good), "ledger-damaged", "a checkpoint is three lines")
    root = base64(lines[2])
    need(len(root) == 32 and int(lines[1]) < 2**63, "ledger-damaged", "a checkpoint needs a size and a root")
    return lines[0], int(lines[1]), root


def open_checkpoint(data: bytes, policy: dict[str, Any]) -> tuple[str, int, bytes]:
    """The checkpoint of a note that the pinned sequencer signed."""
    key: Key = policy["sequencerKey"]
    text, lines = parse_note(data)
    signatures = [signature for name, identity, signature in lines if (name, identity) == (key.name, key.id)]
    for signature in signatures:
        key.verify(text.encode(), signature)
    need(bool(signatures), "key-substituted", "the pinned sequencer did not sign the checkpoint")
    found = parse_checkpoint(text)
    need(found[0] == policy["origin"], "event-of-another-ledger", "a checkpoint of another log")
    return found


def parse_policy(data: bytes) -> dict[str, Any]:
    """The policy (§8), with its keys parsed beside it."""
    policy = members(decode(data), POLICY)
    need(policy["v"] == 1, "statement-malformed", "another version")
    keys = [Key(text) for text in (*policy["roots"], *policy["formerRoots"])]
    people = {item["pseudonym"] for item in policy["people"]}
    witnesses = [(fold(item["organisation"]), Key(item["vkey"], 4)) for item in policy["witnesses"]]
    sound = 0 < policy["threshold"] <= len(policy["roots"]) and len({key.public for _, key in witnesses}) == len(
        witnesses
    )
    need(sound, "statement-malformed", "the policy contradicts itself")
    parsed = {"rootKeys": keys, "sequencerKey": Key(policy["sequencer"]), "register": people, "digest": sha256(data)}
    return policy | parsed | {"witnessKeys": witnesses}


def fold(organisation: str) -> str:
    """The form in which names of organisations are compared."""
    return " ".join(organisation.casefold().split())


# --- §3 the tree and its files ----------------------------------------------------------------------------------------


class Folder:
    """A ledger in a folder."""

    def __init__(self, place: Path) -> None:
        self.place = place.resolve()

    def read(self, name: str) -> bytes | None:
        """The bytes of a file, None if they cannot be had; links are not followed out of the ledger."""
        try:
            found = (self.place / name).resolve()
            return found.read_bytes() if found.is_relative_to(self.place) else None
        except (OSError, ValueError):
            return None


class Bundle:
    """A ledger in a bundle (§10)."""

    def __init__(self, place: Path) -> None:
        self.archive = zipfile.ZipFile(place)
        names = [item.orig_filename for item in self.archive.infolist()]
        plain = all(
            (item.compress_type, item.compress_size, item.flag_bits & ~0x800) == (0, item.file_size, 0)
            for item in self.archive.infolist()
        )
        need(plain and names == sorted(set(names)), "nothing-to-check", "not a bundle: another kind of ZIP")

    def read(self, name: str) -> bytes | None:
        """The bytes of a member, None if they cannot be had."""
        try:
            return self.archive.read(f"ledger/{name}")
        except (LookupError, OSError, ValueError, *NO_ZIP):
            return None


def open_ledger(place: Path) -> Folder | Bundle:
    """The ledger at `place`: a bundle, a ledger folder or the folder above it."""
    if place.is_file():
        return Bundle(place)
    return Folder(place / "ledger" if (place / "ledger" / "checkpoint").exists() else place)


def tile_name(level: str, index: int, width: int) -> str:
    """The path of a tile (§3)."""
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "".join(f"x{group}/" for group in groups[:-1]) + groups[-1]
    return f"tile/{level}/{number}" + ("" if width == WIDTH else f".p/{width}")


def read_tile(ledger: Folder | Bundle, level: str, index: int, width: int) -> tuple[bytes | None, bool]:
    """The bytes of a tile, or of the full one in its place; and whether they are the full one's."""
    data = ledger.read(tile_name(level, index, width))
    if data is not None or width == WIDTH:
        return data, width == WIDTH
    return ledger.read(tile_name(level, index, WIDTH)), True


def tree_root(hashes: list[bytes]) -> bytes:
    """The RFC 6962 root over leaf hashes."""
    if not hashes:
        return sha256(b"")
    while len(hashes) > 1:
        above = [sha256(b"\x01" + hashes[at] + hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
        hashes = above + hashes[len(above) * 2 :]
    return hashes[0]


# --- §4, §5 statements ------------------------------------------------------------------------------------------------


class Event:
    """A row of the table of events."""

    def __init__(self, line: str) -> None:
        name, self.about, roles, flags, fields, answers = (part.strip() for part in line.split("|"))
        self.name, self.roles, self.flags, self.answers = name, roles.split(), flags.split(), answers.split()
        self.fields = dict(item.split(":") for item in fields.split())


SPECS = {event.name: event for event in map(Event, EVENTS.strip().split("\n"))}


def _rows() -> dict[tuple[str, str, str, str], str]:
    table = {}
    for line in TRANSITIONS.strip().split("\n"):
        events, part, outcome, follows, leads = (cell.strip() for cell in line.split("|"))
        for event in events.split():
            for state in follows.replace("LIVE", " ".join(LIVE)).split():
                table[event, part, outcome, state] = leads or state
    return table


NEXT = _rows()


class Act:
    """What one signed statement says."""

    def __init__(self, payload: bytes) -> None:
        top = members(decode(payload), {"_type", "predicate", "predicateType", "subject"})
        self.digest = sha256(payload)
        kind = re.fullmatch("https://synthtrail.dev/custody/([a-z-]+)/v1", str(top["predicateType"]))
        known = top["_type"] == "https://in-toto.io/Statement/v1" and kind is not None and kind[1] in SPECS
        need(known, "statement-malformed", "no known event")
        self.spec = SPECS[kind[1] if kind else ""]
        self.fields = self._predicate(top["predicate"])
        self.record: dict[str, Any] | None = None
        self.slot, self.record_digest = "", b""
        self.inputs: list[bytes] = []
        self.outcome = str(self.fields["outcome"]) if "outcome" in self.spec.fields else ""
        concerned = self._record() if self.spec.about == "stage" else []
        self.ledger = string(self.fields["ledger"], empty=False)
        self.subjects = self._subjects(array(top["subject"]), concerned)
        self.actor = string(self.fields["actor"], empty=False)
        self.at = moment(self.fields["at"])
        self.previous = self._previous()

    def _predicate(self, value: Any) -> dict[str, Any]:
        person = isinstance(value, dict) and value.get("signatureKind") == "person"
        names = {"actor", "at", "context", "ledger", "prevEvent", "signatureKind", *self.spec.fields}
        names |= {"meaning"} if person else set()
        names |= {"slot", "record"} if self.spec.about == "stage" else set()
        found = members(value, names)
        need(found["signatureKind"] in ("machine", "person"), "statement-malformed", "signatureKind")
        meanings = ("authorship", "review", "approval", "responsibility")
        need(not person or found["meaning"] in meanings, "statement-malformed", "meaning")
        pairs(found["context"])
        for name, kind in self.spec.fields.items():
            check_field(found[name], kind)
        self.person = person
        return found

    def _record(self) -> list[dict[str, Any]]:
        """Check the record (§5.1) and return the descriptors of the artifacts that it concerns."""
        record, stage = self.fields["record"], ""
        if isinstance(record, dict) and isinstance(record.get("stage"), str):
            stage = record["stage"]
        need(stage in STAGES, "statement-malformed", "no known stage")
        extra = {"ingest": {"source"}, "validate": {"verdict"}}.get(stage, set())
        members(record, RECORD | extra)
        need(
            type(record["v"]) is int and record["v"] == 1 and record["event"] == STAGES[stage],
            "statement-malformed",
            "v",
        )
        count(record["seed"])
        need(record["class"] in ("public", "confidential"), "statement-malformed", "class")
        members(record["code"], {"sha256", "files"})
        digest(record["code"]["sha256"]), count(record["code"]["files"])
        for name in ("params", "privacy", "facts", *({"source"} & extra)):
            pairs(record[name])
        pairs(record["tools"], "version")
        subjects, inputs = array(record["subjects"]), array(record["inputs"])
        need(len(subjects) == 1 and (stage != "validate" or bool(inputs)), "statement-malformed", "one subject")
        if stage == "validate":
            need(record["verdict"] in ("pass", "review", "refuse"), "statement-malformed", "verdict")
            self.outcome = record["verdict"]
        need("/" not in string(record["experiment"], empty=False), "statement-malformed", "experiment")
        made = descriptor(subjects[0])
        for view in array(record["views"]):
            descriptor(view)
        read = [descriptor(item) for item in inputs]
        self.slot, self.record_digest = f"{record['experiment']}/{stage}", sha256(encode(record))
        fits = self.fields["slot"] == self.slot and self.spec.name in (record["event"], "reused")
        need(fits, "statement-malformed", "slot or event is not that of the record")
        self.inputs = [bytes.fromhex(next(iter(item["digest"].values()))) for item in read]
        return [made, read[0]] if stage == "validate" else [made]

    def _subjects(self, described: list[Any], concerned: list[dict[str, Any]]) -> list[bytes]:
        if self.spec.about == "ledger":
            ledger = {"name": self.ledger, "digest": {"sha256": sha256(self.ledger.encode()).hex()}}
            need(described == [ledger], "statement-malformed", "the subject is the ledger")
            return []
        need(not concerned or described == concerned, "statement-malformed", "subjects are those of the record")
        found = []
        for item in described:
            members(item, {"name", "digest"})
            digests = item["digest"]
            good = isinstance(digests, dict) and len(digests) == 1 and digests.keys() <= {"sha256", "dirHash1"}
            need(good, "statement-malformed", "one digest")
            path(item["name"])
            found.append(digest(next(iter(digests.values()))))
        need(len(found) > 0 and len(set(found)) == len(found), "statement-malformed", "distinct subjects")
        return found

    def _previous(self) -> dict[bytes, bytes]:
        found = []
        for item in array(self.fields["prevEvent"]):
            members(item, {"artifact", "event"})
            found.append((digest(item["artifact"]), digest(item["event"])))
        named = [artifact for artifact, _ in found]
        ordered = named == [subject for subject in self.subjects if subject in named]
        need(ordered, "statement-malformed", "prevEvent names subjects, in their order")
        return dict(found)

    def part(self, index: int) -> str:
        """What the event does to its subject number `index`."""
        return "subject" if not self.slot else "judged" if index else "made"


def descriptor(value: Any) -> dict[str, Any]:
    """The in-toto descriptor of an item of a record."""
    folder = isinstance(value, dict) and value.get("kind") == "folder"
    members(value, {"kind", "path", "sha256", "size"} | ({"files"} if folder else set()))
    need(value["kind"] in ("file", "folder"), "statement-malformed", "neither file nor folder")
    name, found = path(value["path"]), digest(value["sha256"]).hex()
    count(value["size"]), count(value["files"] if folder else 0)
    return {"name": name, "digest": {"dirHash1" if folder else "sha256": found}}


def prose(value: Any) -> None:
    """A text that people write (§5.2)."""
    text = string(value)
    seen = any(re.search(form, text, re.A | (re.I if any_case else 0)) for form, any_case in IDENTIFYING)
    need(not seen, "identifying-text", "it looks as if it identified a person")


def check_field(value: Any, kind: str) -> None:
    """Check the value of an event's own field (§5)."""
    simple: dict[str, Callable[[Any], object]] = {
        "text": string,
        "prose": prose,
        "digest": digest,
        "time": moment,
        "count": count,
        "pairs": pairs,
    }
    if kind in simple:
        simple[kind](value)
    elif kind in ("vkey", "vkeys"):
        for key in [value] if kind == "vkey" else array(value):
            Key(string(key))
    else:
        need(isinstance(value, str) and value in kind.split("/"), "statement-malformed", f"one of {kind}")


# --- §6 rules ---------------------------------------------------------------------------------------------------------

REFUSED_WHOLLY = {"event-of-another-ledger", "event-replayed", "signer-unknown", "signer-revoked", "key-substituted",
                  "threshold-missed", "custody-fork", "previous-wrong"}  # fmt: skip
Problems = list[tuple[str, str]]


class Life:
    """An artifact: its state, the entries that concern it, whether it is held, until when it may be kept."""

    def __init__(self, maker: int) -> None:
        self.state, self.history, self.holds, self.transferred = "made", [maker], 0, False
        self.until: int | None = None

    def value(self, event: bytes) -> bytes:
        """What the prefix tree has for the artifact (§6.1), `event` being its latest event."""
        word = "held" if self.holds else "transferred" if self.transferred else "live"
        return event + f"{'disposed' if self.state == 'disposed' else word} {self.state}".encode()


Tree = Any
"""A prefix tree (§6.1): nothing, a leaf (key, SHA-256 of the value), or [left, right, hash or None if it changed]."""


def planted(tree: Tree, leaf: tuple[bytes, bytes], depth: int = 0) -> Tree:
    """The tree with this leaf, in place of an earlier one with its key."""
    if tree is None or (isinstance(tree, tuple) and tree[0] == leaf[0]):
        return leaf
    if isinstance(tree, tuple):
        tree = planted([None, None, None], tree, depth)
    side = leaf[0][depth // 8] >> (7 - depth % 8) & 1
    tree[side], tree[2] = planted(tree[side], leaf, depth + 1), None
    return tree


def prefix_root(tree: Tree) -> bytes:
    """The root of a prefix tree."""
    if not isinstance(tree, list):
        return sha256(b"\2" + tree[0] + tree[1]) if tree is not None else ZERO
    if tree[2] is None:
        tree[2] = sha256(b"\3" + prefix_root(tree[0]) + prefix_root(tree[1]))
    return bytes(tree[2])


class State:
    """What the entries so far say."""

    def __init__(self, policy: dict[str, Any]) -> None:
        self.policy = policy
        self.keys: dict[str, Key] = {}
        self.pinned: dict[str, Key] = {}
        self.roots, self.threshold = {key.name for key in policy["rootKeys"]}, policy["threshold"]
        for key in (*policy["rootKeys"], policy["sequencerKey"]):
            key.role = "root" if key.name in self.roots else "sequencer"
            self.list_key(key)
        self.lives: dict[bytes, Life] = {}
        self.entries: list[tuple[bytes, str, int]] = []  # digest of the event, actor, time
        self.events: dict[bytes, int] = {}
        self.records: set[bytes] = set()
        self.requests: dict[bytes, tuple[int, Act, str]] = {}  # entry, act, who alone may answer
        self.policy_digest, self.received, self.closed = b"", 0, False
        self.tree: Tree = None
        self.touched: set[bytes] = set()

    def list_key(self, key: Key) -> None:
        """Make a key known."""
        self.keys[key.name] = self.pinned[key.keyid] = key

    def skip(self, event: bytes, received: int) -> None:
        """Take an entry that means nothing."""
        self._append(event, "", self.entries[-1][2] if self.entries else 0, received)

    def _append(self, event: bytes, actor: str, at: int, received: int) -> None:
        self.events.setdefault(event, len(self.entries))
        self.entries.append((event, actor, at))
        self.received = max(self.received, received)

    def step(self, act: Act, signers: list[str], received: int) -> Problems:
        """Judge the next event, and take it as far as it counts."""
        found = problems(self, act, signers, received)
        codes = {code for code, _ in found}
        if codes & REFUSED_WHOLLY:
            self.skip(act.digest, received)
        else:
            self._take(act, received, effect=codes <= {"entry-back-dated"})
        return found

    def _take(self, act: Act, received: int, *, effect: bool) -> None:
        entry = len(self.entries)
        self._append(act.digest, act.actor, act.at, received)
        self.touched.update(act.subjects)
        for index, subject in enumerate(act.subjects):
            if subject not in self.lives:
                self.lives[subject] = Life(entry)
                continue
            life = self.lives[subject]
            life.history.append(entry)
            life.state = (leads_to(act, index, life.state) if effect else None) or life.state
        if act.slot:
            self.records.add(act.record_digest)
        elif effect:
            self._take_request(act, entry)
            self._take_effect(act, entry)

    def _take_request(self, act: Act, entry: int) -> None:
        request = request_of(act)
        answered = self.requests.get(request) if act.spec.answers else None
        if answered and "closes" in act.spec.flags:
            del self.requests[request]
        if "opens" in act.spec.flags:
            granted = act.spec.name == "access-granted" and answered
            only = answered[1].actor if granted and answered else str(act.fields.get("receiver", ""))
            self.requests[act.digest] = (entry, act, only)

    def status_root(self) -> bytes:
        """The root over what became of every artifact (§6.1)."""
        for artifact in self.touched:
            life = self.lives[artifact]
            value = life.value(self.entries[life.history[-1]][0])
            self.tree = planted(self.tree, (sha256(artifact), sha256(value)))
        self.touched.clear()
        return prefix_root(self.tree)

    def _take_effect(self, act: Act, entry: int) -> None:
        name, fields = act.spec.name, act.fields
        for life in (self.lives[subject] for subject in act.subjects):
            life.holds += {"hold-placed": 1, "hold-lifted": -1}.get(name, 0)
            life.until = moment(fields["until"]) if name == "retention-set" else life.until
            life.transferred = life.transferred or name == "transfer-accepted"
        if name in ("ledger-opened", "policy-changed"):
            self.policy_digest = bytes.fromhex(fields["policySha256"])
            self.roots, self.threshold = {Key(key).name for key in fields["roots"]}, fields["threshold"]
        elif name in ("key-added", "key-rotated"):
            self.list_key(new_key(self, act, entry))
            if name == "key-rotated":
                self.keys[fields["replaces"]].until = entry
        elif name == "key-revoked":
            key = self.keys[fields["name"]]
            key.until, key.compromised = min(key.until, entry), fields["compromisedSince"]
        elif name == "ledger-closed":
            self.closed = True


def leads_to(act: Act, index: int, state: str) -> str | None:
    """The state after the event, None if the table has no row."""
    part = act.part(index)
    judging = part == "judged" or act.spec.name == "reviewed"
    return NEXT.get((act.spec.name, part, act.outcome if judging else "", state))


def request_of(act: Act) -> bytes:
    """The digest of the event that is answered."""
    return bytes.fromhex(str(act.fields.get("request", "")))


def new_key(state: State, act: Act, entry: int) -> Key:
    """The key that the event lists; raises `Fault` if it may not."""
    key, fields = Key(act.fields["key"]), act.fields
    old = state.keys.get(fields["replaces"]) if act.spec.name == "key-rotated" else None
    if act.spec.name == "key-rotated":
        replaceable = old is not None and old.until == MAX_INTEGER and old.role not in ("root", "sequencer")
        need(replaceable, "key-rejected", "it replaces no key that can be replaced")
    key.role, key.person = (old.role, old.person) if old else (fields["role"], fields["person"])
    key.since = entry
    known = key.name in state.keys or key.public in {other.public for other in state.keys.values()}
    need(not known, "key-rejected", "the name or the key was listed before")
    need(key.role != "steward" or key.person != "", "key-rejected", "a steward is a named person")
    return key


def problems(state: State, act: Act, signers: list[str], received: int) -> Problems:
    """What speaks against an event as the next one: the ten rules of §6."""
    if act.ledger != state.policy["origin"]:
        return [("event-of-another-ledger", f"it was signed for {act.ledger[:80]!a}")]
    if act.digest in state.events:
        return [("event-replayed", f"it is entry {state.events[act.digest]} already")]
    found: Problems = []
    check_place_and_time(state, act, received, found)
    check_signer(state, act, signers, found)
    check_artifacts(state, act, found)
    check_record(state, act, found)
    if act.spec.answers:
        check_answer(state, act, found)
    if "four-eyes" in act.spec.flags:
        check_four_eyes(state, act, found)
    if act.spec.about == "ledger":
        check_ledger_event(state, act, found)
    return found


def check_place_and_time(state: State, act: Act, received: int, found: Problems) -> None:
    """Rules 2 and 3."""
    policy = state.policy
    if (not state.entries) != (act.spec.name == "ledger-opened"):
        found.append(("transition-illegal", "entry 0, and no other, is ledger-opened"))
    if state.closed:
        found.append(("ledger-closed", "the ledger was closed before"))
    late, early = received + policy["skew"] * SECOND, received - policy["maxDelay"] * SECOND
    if received < state.received or not early <= act.at <= late:
        found.append(("entry-back-dated", "its times do not fit its place"))


def check_signer(state: State, act: Act, signers: list[str], found: Problems) -> None:
    """Rule 4."""
    key, entry = state.keys.get(act.actor), len(state.entries)
    if key is None or (key.role != "root" and entry <= key.since):
        found.append(("signer-unknown", f"{act.actor[:80]!a} is not listed"))
        return
    if key.role == "root":
        opened = act.spec.name == "ledger-opened"
        roots = {Key(text).name for text in act.fields["roots"]} if opened else state.roots
        if act.actor not in signers or not set(signers) <= roots:
            found.append(("key-substituted", "those are not the roots at this entry"))
        if len(set(signers)) < (act.fields["threshold"] if opened else state.threshold):
            found.append(("threshold-missed", f"{len(set(signers))} roots signed"))
    elif signers != [act.actor]:
        found.append(("key-substituted", f"it says {act.actor}, but {', '.join(signers)} signed"))
    if entry > key.until:
        found.append(("signer-revoked", f"{act.actor} ended with entry {key.until}"))
    if key.role not in act.spec.roles:
        found.append(("role-wrong", f"{act.actor} is {key.role}"))
    unregistered = act.person and key.person not in state.policy["register"]
    if unregistered or ("person" in act.spec.flags and not act.person):
        found.append(("person-needed", "a registered person must sign"))


def check_artifacts(state: State, act: Act, found: Problems) -> None:
    """Rules 5 and 7, and the rest of 3."""
    for index, subject in enumerate(act.subjects):
        life, said = state.lives.get(subject), act.previous.get(subject)
        head = state.entries[life.history[-1]] if life else None
        if said != (head[0] if head else None):
            fork = said is not None and life is not None and state.events.get(said, -1) in life.history
            found.append(
                ("custody-fork" if fork else "previous-wrong", "it does not follow the artifact's latest event")
            )
        elif head and act.at < head[2] - state.policy["skew"] * SECOND:
            found.append(("entry-back-dated", "it is older than the event it follows"))
        now = life.state if life else "absent"
        if leads_to(act, index, now) is None:
            code = "disposed-reappears" if now == "disposed" and act.slot else "transition-illegal"
            found.append((code, f"{act.spec.name} may not follow when the artifact is {now}"))
        if life and life.holds and act.spec.name in ("disposal-approved", "disposal-executed"):
            found.append(("transition-illegal", "a hold is open"))


def check_record(state: State, act: Act, found: Problems) -> None:
    """Rule 6."""
    if act.spec.name == "reused" and act.record_digest not in state.records:
        found.append(("record-unknown", "the record was never logged"))
    for item in [] if act.slot.endswith("/ingest") else act.inputs:
        if item not in state.lives:
            found.append(("input-unknown", f"no event made its input {item.hex()[:16]}"))
        elif state.lives[item].state == "disposed":
            found.append(("disposed-reappears", "its input was disposed of"))


def check_answer(state: State, act: Act, found: Problems) -> None:
    """Rule 8."""
    code = "acceptance-forged" if act.spec.roles == ["recipient"] else "answer-wrong"
    request = state.requests.get(request_of(act))
    if request is None or request[1].spec.name not in act.spec.answers:
        found.append((code, "there is no open request"))
        return
    _, asked, only = request
    expired = act.spec.name == "transfer-expired"
    if asked.subjects != act.subjects:
        found.append((code, "the request is about other artifacts"))
    if only and not expired and act.actor != only:
        found.append((code, f"only {only} may answer"))
    if "expires" in asked.fields and (act.at > moment(asked.fields["expires"])) != expired:
        found.append((code, "the request had expired, or had not"))


def check_four_eyes(state: State, act: Act, found: Problems) -> None:
    """Rule 9."""
    own, request = state.keys.get(act.actor), state.requests.get(request_of(act)) if "request" in act.fields else None
    makers = [state.entries[state.lives[item].history[0]][1] for item in act.subjects if item in state.lives]
    names = [request[1].actor] if request else makers
    others = [state.keys[name] for name in names if name in state.keys]
    if own and any(key is own or (key.person != "" and key.person == own.person) for key in others):
        found.append(("self-approval", f"{act.actor} acts on an own request or work"))


def check_ledger_event(state: State, act: Act, found: Problems) -> None:
    """Rule 10."""
    name, fields, entry = act.spec.name, act.fields, len(state.entries)
    if name in ("ledger-opened", "policy-changed"):
        stated, pinned = [Key(text) for text in fields["roots"]], state.policy["rootKeys"]
        known = {(key.name, key.public) for key in stated} <= {(key.name, key.public) for key in pinned}
        if not known or not 0 < fields["threshold"] <= len({key.name for key in stated}):
            found.append(("policy-mismatch", "its roots or threshold are not possible under the pinned policy"))
    elif name in ("key-added", "key-rotated"):
        try:
            new_key(state, act, entry)
        except Fault as fault:
            found.append((fault.code, fault.text))
        if fields.get("person") and fields["person"] not in state.policy["register"]:
            found.append(("key-rejected", "the person stands in no register"))
    elif name == "key-revoked":
        key = state.keys.get(fields["name"])
        if key is None or key.role in ("root", "sequencer") or fields["compromisedSince"] > entry:
            found.append(("key-rejected", "no key that the log can revoke, or compromised by entries to come"))
    elif name == "status" and fields["size"] != entry:
        found.append(("status-wrong", f"a status here sums up {entry} entries"))
    elif name == "status" and fields["root"] != state.status_root().hex():
        found.append(("status-wrong", f"its root is not what the first {entry} entries give"))
    elif name == "anchored" and fields["size"] > entry:
        found.append(("timestamp-bad", "it anchors more entries than there are"))


# --- §7 the audit -----------------------------------------------------------------------------------------------------


class Audit:
    """One verification: findings, and what is learnt on the way."""

    def __init__(self, ledger: Folder | Bundle, policy: dict[str, Any], now: int) -> None:
        self.ledger, self.policy, self.now = ledger, policy, now
        self.state = State(policy)
        self.findings: list[tuple[str, int | None, str]] = []
        self.levels: list[str] = []
        self.size = 0
        self._places: list[tuple[bytes | None, bytes | None]] = []  # leaf hash of the entry, and the tile's
        self._unlike: list[tuple[int, bytes | None, bytes | None]] = []
        self._displaced: list[tuple[int, int]] = []
        self._leaf: bytes | None = ZERO
        self._whole = True

    def find(self, code: str, entry: int | None, text: str) -> None:
        """Note a finding."""
        self.findings.append((code, entry, text))

    def run(self, since: bytes | None) -> None:
        """Steps 1 to 8 of §7."""
        data = self.ledger.read("checkpoint") or b""
        head = self._head(data)
        if head is None:
            return
        self.size = head[1]
        for index in range(-(-self.size // WIDTH)):
            if not self._bundle(index, min(WIDTH, self.size - index * WIDTH)):
                break
        self._tree(head[2])
        earlier = self._since(since, head[2]) if since is not None else False
        self._close()
        witnessed = self._witnesses(data)
        if self.policy["timestamp"]:
            self.find("check-unavailable", None, "the policy asks for a time-stamp token")
        reached = [level for level, held in (("A", True), ("B", earlier), ("C", witnessed)) if held]
        self.levels = [] if self.findings else reached

    def _head(self, data: bytes) -> tuple[str, int, bytes] | None:
        if not data:
            self.find("nothing-to-check", None, "there is no checkpoint")
            return None
        try:
            head = open_checkpoint(data, self.policy)
        except Fault as fault:
            self.find(fault.code, None, f"the checkpoint is not the pinned sequencer's: {fault.text}")
            try:
                return parse_checkpoint(parse_note(data)[0])  # followed all the same: more may be found
            except Fault:
                return None
        if head[1] == 0:
            self.find("nothing-to-check", None, "the ledger is empty")
            return None
        return head

    def _bundle(self, index: int, width: int) -> bool:
        """Take the entries of one bundle, and what the lowest tile says about them; whether either is there."""
        first = index * WIDTH
        entries, present = self._entries(index, width)
        tile, full = read_tile(self.ledger, "0", index, width)
        if tile is None or len(tile) < width * 32 or (len(tile) > width * 32 and not full):
            self.find("ledger-damaged", None, "a tile of level 0 is missing or has another length")
            tile = None
        for place, data in enumerate(entries, first):
            self._entry(place, data)
        for _ in range(len(entries), width):
            self._whole, self._leaf = False, None
            self.state.skip(ZERO, 0)
        leaves = [sha256(b"\0" + data) for data in entries]
        said = leaves[:width] if tile is None else [tile[at * 32 : at * 32 + 32] for at in range(width)]
        both = list(zip_longest(leaves, said))
        self._unlike += [(place, *pair) for place, pair in enumerate(both, first) if pair[0] != pair[1]]
        self._places += (both + [(None, None)] * width)[:width]
        return present or tile is not None

    def _entries(self, index: int, width: int) -> tuple[list[bytes], bool]:
        first, at, entries = index * WIDTH, 0, []
        data, full = read_tile(self.ledger, "entries", index, width)
        while data is not None and at + 2 <= len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data):
                break
            entries.append(data[at + 2 : end])
            at = end
        if data is not None and at != len(data):
            self.find("ledger-damaged", first + len(entries), "the bundle is torn")
        entries = entries[:width] if full else entries
        if len(entries) > width:
            self.find("entry-inserted", first, "the bundle holds more entries than the checkpoint covers")
        if len(entries) < width:
            self.find("entries-missing", first + len(entries), "entries from here on are missing")
        return entries, data is not None

    def _entry(self, place: int, data: bytes) -> None:
        leaf, previous, received = sha256(b"\0" + data), self._leaf, 0
        self._leaf = leaf
        try:
            entry = members(decode(data, MAX_LEAF), {"envelope", "prev", "received", "seq", "v"})
            need(type(entry["v"]) is int and entry["v"] == 1, "statement-malformed", "another version")
            prev, seq, received = digest(entry["prev"]), count(entry["seq"]), moment(entry["received"])
            if seq != place:
                self._displaced.append((place, seq))
            if previous is not None and prev != previous:
                self.find("chain-broken", place, "it does not name the entry before it")
            act, signers = self._open(entry["envelope"])
        except Fault as fault:
            self.find(fault.code, place, fault.text)
            self.state.skip(leaf, received)
            return
        for code, text in self.state.step(act, signers, received):
            self.find(code, place, text)

    def _open(self, value: Any) -> tuple[Act, list[str]]:
        """The act in a DSSE envelope (§4), and the names of those who signed it."""
        envelope = members(value, {"payload", "payloadType", "signatures"})
        texts = isinstance(envelope["payload"], str) and isinstance(envelope["payloadType"], str)
        lines = [members(item, {"keyid", "sig"}) for item in array(envelope["signatures"])]
        texts = texts and all(isinstance(text, str) for line in lines for text in line.values())
        distinct = len({str(line["keyid"]) for line in lines}) == len(lines)
        need(texts and 1 <= len(lines) <= 16 and distinct, "statement-malformed", "not an envelope")
        signatures = [(line["keyid"], base64(line["sig"])) for line in lines]
        payload, kind = base64(envelope["payload"]), envelope["payloadType"]
        need(kind == "application/vnd.in-toto+json", "type-confused", "a payload of another type")
        message = b"DSSEv1 %d %b %d %b" % (len(kind), kind.encode(), len(payload), payload)
        for keyid, signature in signatures:
            if keyid not in self.state.pinned:
                raise Fault(*self._unknown(payload))
            self.state.pinned[keyid].verify(message, signature)
        return Act(payload), [self.state.pinned[keyid].name for keyid, _ in signatures]

    def _unknown(self, payload: bytes) -> tuple[str, str]:
        try:
            actor = Act(payload).actor
        except Fault:
            actor = ""
        listed = actor in self.state.keys
        return ("key-substituted" if listed else "signer-unknown"), f"{actor[:80]!a}: its listed key did not sign"

    def _tree(self, root: bytes) -> None:
        """Entries, tiles and signed root against each other (§3)."""
        entries = [leaf or said or ZERO for leaf, said in self._places]
        if self._whole and tree_root(entries) == root:
            if self._unlike:
                self.find("ledger-damaged", self._unlike[0][0], "tiles hold other hashes than the entries give")
            self._upper_tiles(entries)
        else:
            self._moved()
            if self._whole and tree_root([said or ZERO for _, said in self._places]) != root:
                self.find("root-mismatch", None, "the entries do not give the root that was signed")
        self._displacements()

    def _upper_tiles(self, hashes: list[bytes]) -> None:
        level = 0
        while len(hashes) >= WIDTH:
            level += 1
            hashes = [tree_root(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
            for index in range(-(-len(hashes) // WIDTH)):
                wanted = hashes[index * WIDTH : index * WIDTH + WIDTH]
                data, _ = read_tile(self.ledger, str(level), index, len(wanted))
                if data is None or data[: len(wanted) * 32] != b"".join(wanted):
                    self.find("ledger-damaged", None, f"a tile of level {level} is missing or wrong")

    def _moved(self) -> None:
        unlike = self._unlike
        kept, present = {said for _, _, said in unlike} - {None}, {leaf for _, leaf, _ in unlike} - {None}
        for place, leaf, said in unlike:
            foreign, lost = leaf is not None and leaf not in kept, said is not None and said not in present
            if foreign:
                self.find("entry-edited" if lost else "entry-inserted", place, "not the entry that the tree holds")
            elif lost and leaf is not None:
                self.find("entries-missing", place, "the entry that the tree holds here is gone")
        if kept == present:
            self._runs("entries-reordered", [place for place, leaf, _ in unlike if leaf in kept])

    def _displacements(self) -> None:
        places, said = {place for place, _ in self._displaced}, [seq for _, seq in self._displaced]
        if len(set(said)) < len(said) or any(seq < self.size and seq not in places for seq in said):
            code = "entry-inserted"
        else:
            code = "entries-reordered" if set(said) == places else "entries-missing"
        self._runs(code, sorted(places))

    def _runs(self, code: str, places: list[int]) -> None:
        for place in places:
            if place - 1 not in places:
                self.find(code, place, "from here on entries do not stand at their own places")

    def _since(self, data: bytes, root: bytes) -> bool:
        """Whether the earlier checkpoint is a prefix."""
        try:
            _, size, earlier = open_checkpoint(data, self.policy)
            need(size > 0, "proof-malformed", "a checkpoint of no entries proves nothing")
        except Fault as fault:
            self.find("proof-malformed", None, f"the earlier checkpoint cannot be used: {fault.text}")
            return False
        if size > self.size:
            self.find("log-rolled-back", self.size, f"the log has {self.size} entries, an earlier checkpoint {size}")
            return False
        entries, tiles = ([pair[at] or pair[1 - at] or ZERO for pair in self._places] for at in (0, 1))
        if tree_root(entries[:size]) != earlier and (tree_root(tiles[:size]), tree_root(tiles)) != (earlier, root):
            self.find("log-forked", size - 1, "its first entries are not those of the earlier checkpoint")
        return True

    def _close(self) -> None:
        """What only the whole ledger tells: keys that were compromised, the policy, what is overdue."""
        state = self.state
        for entry, (_, actor, _) in enumerate(state.entries):
            if actor and entry >= state.keys[actor].compromised:
                self.find("signer-revoked", entry, f"{actor} was reported compromised before")
        if state.policy_digest != self.policy["digest"]:
            self.find("policy-mismatch", None, "it ends under another policy than the pinned one")
        for life in state.lives.values():
            if life.until is not None and life.until < self.now and life.state != "disposed" and not life.holds:
                self.find("retention-overrun", life.history[-1], "it should have been disposed of")
        for entry, act, _ in state.requests.values():
            if act.spec.name == "disposal-approved" and act.at < self.now - self.policy["maxDelay"] * SECOND:
                self.find("disposal-dropped", entry, "this approved disposal was not carried out")

    def _witnesses(self, data: bytes) -> bool:
        """§8: whether k organisations other than the owner's cosigned lately."""
        try:
            text, lines = parse_note(data)
        except Fault as fault:
            if self.policy["quorum"]:
                self.find("quorum-missing", None, fault.text)
            return False
        counted, now, policy = set(), self.now // SECOND, self.policy
        own = {key.public for key in (*policy["rootKeys"], policy["sequencerKey"])}
        listed = {key.public for key in self.state.keys.values() if key.since >= 0}
        independent = True
        for organisation, key in policy["witnessKeys"]:
            operator = organisation == fold(policy["organisation"]) or key.public in own
            for dependent in (operator, key.public in listed):
                if dependent:
                    self.find("witness-not-independent", None, f"{key.name} is the operator")
            independent = independent and key.public not in listed
            try:
                at = self._cosigned(text, lines, key)
            except Fault as fault:
                self.find(fault.code, None, f"the cosignature of {key.name}: {fault.text}")
                continue
            if at is not None and not operator and now - policy["maxAge"] <= at <= now + policy["skew"]:
                counted.add(organisation)
        if len(counted) < policy["quorum"]:
            self.find("quorum-missing", None, f"{len(counted)} of {policy['quorum']} organisations cosigned")
        return independent and 0 < policy["quorum"] <= len(counted)

    def _cosigned(self, text: str, lines: list[tuple[str, bytes, bytes]], key: Key) -> int | None:
        """When the witness cosigned last, in seconds since 1970; None if it did not."""
        times = []
        for signature in [signature for name, identity, signature in lines if (name, identity) == (key.name, key.id)]:
            at = int.from_bytes(signature[:8], "big")
            need(len(signature) == 72 and at < 2**63, "signature-invalid", "a cosignature is a time and 64 bytes")
            try:
                key.verify(b"cosignature/v1\ntime %d\n" % at + text.encode(), signature[8:])
            except Fault as fault:
                raise Fault("signature-invalid", fault.text) from None
            times.append(at)
        return max(times, default=None)


NO_ZIP = (zipfile.BadZipFile, NotImplementedError)
NOT_JUDGED = ("time-stamp tokens", "artifacts: whether files are those that the entries name",
              "whether any statement was true when it was signed")  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Verify, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ledger", type=Path, help="ledger folder, checkout or bundle")
    parser.add_argument("--policy", type=Path, required=True, help="the pinned policy, got by another way")
    parser.add_argument("--since", type=Path, help="a checkpoint kept from earlier")
    parser.add_argument("--now", help="the time to judge by, as 2026-01-31T12:00:00Z (default: this machine's)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        now = moment(given.now) if given.now else int(datetime.now(UTC).timestamp()) * SECOND
        since = given.since.read_bytes() if given.since else None
        audit = Audit(open_ledger(given.ledger), parse_policy(given.policy.read_bytes()), now)
    except (Fault, OSError, LookupError, TypeError, ValueError, AttributeError, *NO_ZIP) as error:
        print(f"cannot be judged: {error}", file=sys.stderr)
        return 2
    audit.run(since)
    unseen = [*NOT_JUDGED, *(f"level {level}" for level in "BCD" if level not in audit.levels)]
    if given.json:
        print(as_json(audit, unseen))
    else:
        print(as_text(audit, unseen))
    return 0 if audit.levels else 1


def as_json(audit: Audit, unseen: list[str]) -> str:
    """The verdict for programs."""
    return json.dumps(
        {
            "origin": audit.policy["origin"],
            "size": audit.size,
            "level": audit.levels[-1] if audit.levels else None,
            "claims": audit.levels,
            "ok": bool(audit.levels),
            "findings": [{"code": code, "entry": entry, "text": text} for code, entry, text in audit.findings],
            "notChecked": unseen,
        }
    )


def as_text(audit: Audit, unseen: list[str]) -> str:
    """The verdict for people."""
    verdict = f"level {audit.levels[-1]}, as far as this verifier judges" if audit.levels else "FAILED"
    lines = [f"{audit.policy['origin']}: {audit.size} entries: {verdict}"]
    lines += [f"  {code}: {'' if at is None else f'entry {at}: '}{text}" for code, at, text in audit.findings]
    return "\n".join([*lines, "not checked:", *(f"  - {item}" for item in unseen)])


if __name__ == "__main__":
    sys.exit(main())
