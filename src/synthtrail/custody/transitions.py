"""Which event may follow which, in the life of one artifact: the transition table, as data.

An artifact is named by its content digest. It is `absent` until an event makes it and ends `disposed`; in between, each
event may happen only in some states and leaves the artifact in another state or in the same one. Whatever is not in
`TRANSITIONS` is illegal: refused when it is to be appended, reported when it is found in a ledger (21 CFR 11.10(f)).

    made ── validated ──▶ passed | review | refused          passed ── approved ──▶ approved ── released ──▶ released
    any live state ── disposal-approved ──▶ condemned ── disposal-executed ──▶ disposed

`validated` concerns two artifacts in two *parts*: it makes the report and judges the synthetic data. Events whose
effect depends on what they say have one row per *outcome*.

    >>> after("approved", state="passed")
    'approved'
    >>> after("stored", state="released")           # allowed, and changes nothing
    'released'
    >>> after("transfer-offered", state="made") is None   # illegal: the gate has not been passed
    True
    >>> after("validated", state="approved", part="judged", outcome="refuse")
    'refused'
"""

from dataclasses import dataclass
from typing import Literal

Part = Literal["subject", "made", "judged"]

STATES = (
    "absent",
    "made",
    "passed",
    "review",
    "refused",
    "approved",
    "rejected",
    "released",
    "condemned",
    "disposed",
)
LIVE = STATES[1:8]


@dataclass(frozen=True, slots=True)
class Transition:
    """One row: in which states the event may happen to this part, and where it leads ("" = the state stays)."""

    event: str
    follows: tuple[str, ...]
    leads: str = ""
    outcome: str = ""
    part: Part = "subject"


def _making(event: str) -> tuple[Transition, ...]:
    # The same bytes may be made again, by the same slot or by another: content has one identity.
    made: Part = "made"
    return (Transition(event, ("absent",), "made", part=made), Transition(event, LIVE, part=made))


def _judging(event: str) -> tuple[Transition, ...]:
    # Passing again leaves an approval as it is; every other verdict withdraws it.
    return (
        Transition(event, ("made", "passed", "review", "refused", "rejected"), "passed", "pass", "judged"),
        Transition(event, ("approved", "released"), "", "pass", "judged"),
        Transition(event, LIVE, "review", "review", "judged"),
        Transition(event, LIVE, "refused", "refuse", "judged"),
    )


_JUDGED = (
    *_judging("validated"),
    *_judging("reused"),
    Transition("reviewed", ("passed", "review"), "passed", "pass"),
    Transition("reviewed", ("passed", "review", "approved", "released"), "refused", "refuse"),
    Transition("reviewed", LIVE, "", "comment"),
    Transition("approved", ("passed",), "approved"),
    Transition("rejected", ("passed", "review", "approved"), "rejected"),
    Transition("released", ("approved",), "released"),
)

_SHARED = ("approved", "released")
_USED = (
    Transition("reused", LIVE, part="made"),
    Transition("reproduced", LIVE),
    Transition("stored", LIVE),
    Transition("access-requested", LIVE),
    Transition("access-granted", LIVE),
    Transition("access-refused", (*LIVE, "condemned", "disposed")),
    Transition("accessed", LIVE),
    Transition("transfer-offered", _SHARED),
    Transition("transfer-accepted", _SHARED),
    Transition("transfer-rejected", (*LIVE, "condemned", "disposed")),
    Transition("transfer-expired", (*LIVE, "condemned", "disposed")),
)

_ENDED = (
    Transition("retention-set", LIVE),
    Transition("hold-placed", (*LIVE, "condemned")),
    Transition("hold-lifted", (*LIVE, "condemned")),
    Transition("disposal-requested", LIVE),
    Transition("disposal-approved", LIVE, "condemned"),
    Transition("disposal-executed", ("condemned",), "disposed"),
    Transition("disposal-verified", ("disposed",)),
)

TRANSITIONS: tuple[Transition, ...] = (
    *_making("acquired"),
    *_making("derived"),
    *_making("trained"),
    *_making("generated"),
    *_making("validated"),
    *_JUDGED,
    *_USED,
    *_ENDED,
)

HELD_BACK = ("disposal-approved", "disposal-executed")  # illegal while a hold is open

_OUTCOMES = {row.event for row in TRANSITIONS if row.outcome}
_NEXT: dict[tuple[str, str, str, str], str] = {
    (row.event, row.part, row.outcome, state): row.leads or state for row in TRANSITIONS for state in row.follows
}


def after(event: str, *, state: str, part: Part = "subject", outcome: str = "") -> str | None:
    """The state that `event` leads to from `state`, or None if the table has no such row."""
    said = outcome if event in _OUTCOMES and part != "made" else ""
    return _NEXT.get((event, part, said, state))


def markdown() -> str:
    """The transition table, as it is printed in the ledger's specification."""
    rows = ["| event | part | outcome | may follow | leads to |", "|---|---|---|---|---|"]
    for row in TRANSITIONS:
        follows = ", ".join(row.follows)
        rows.append(f"| `{row.event}` | {row.part} | {row.outcome} | {follows} | {row.leads or 'the same'} |")
    return "\n".join(rows) + "\n"
