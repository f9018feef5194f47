"""What awaits a person: everything that the ledger would let them answer, with the words they would sign.

A task is there for a key if its role may say the answer, if it is a person's key where only a person counts, and if it
is neither the key nor the person who asked for it or made the artifact: the ledger core would refuse that, so nobody
is asked for it in vain. What a signer fills in themselves stands as `…` in the words.

=====================================  ==========================================
waits                                  for
=====================================  ==========================================
an artifact whose verdict is `review`  a person who reads its report
an artifact that passed                a steward, to approve or reject it
a proposal                             a steward, to grant or refuse access
an offer                               the recipient that it names
a disposal                             a steward; then whoever carries it out
an incident                            anybody, to settle it
=====================================  ==========================================
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from synthtrail.custody.canonical import Value
from synthtrail.custody.errors import CustodyError
from synthtrail.custody.events import EVENTS
from synthtrail.custody.keyring import Key
from synthtrail.custody.state import State
from synthtrail.handover import access, acting, duties, judging, proposals, wording
from synthtrail.handover.acting import Saying
from synthtrail.handover.duties import Duty
from synthtrail.storage.custodian import FOLDER, Custodian

BLANK = "…"


@dataclass(frozen=True)
class Task:
    """One thing that awaits a key: in a few words, since when, what to know, the commands, what would be signed."""

    what: str
    since: datetime
    about: str
    notes: tuple[str, ...]
    commands: tuple[str, ...]
    words: tuple[str, ...]


@dataclass(frozen=True)
class Inbox:
    """What awaits the holder of a key, and what is overdue for their role."""

    key: Key
    name: str
    tasks: tuple[Task, ...]
    duties: tuple[Duty, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing waits."""
        return not self.tasks and not self.duties


@dataclass(frozen=True)
class _Waiting:
    """What may await somebody: the answer that could be signed, and how to ask for it."""

    what: str
    entry: int
    saying: Saying
    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()


def inboxes(found: Custodian, keys: Sequence[Key], now: datetime) -> list[Inbox]:
    """Return what awaits each of `keys`."""
    state = found.ledger.state
    waiting = list(_waiting(found))
    pressing = duties.pressing(found, now)
    return [
        Inbox(
            key,
            wording.who(key, found.policy),
            tuple(_task(found, item, key) for item in waiting if may(state, key, item.saying)),
            tuple(duty for duty in pressing if key.role in duty.who.split(", ") or key.name == duty.who),
        )
        for key in keys
    ]


def may(state: State, key: Key, saying: Saying) -> bool:
    """Tell whether the holder of `key` may say this: role, person, and separation of duties."""
    spec = EVENTS[saying.event]
    if key.role not in spec.roles or (spec.person and not key.person):
        return False
    request = state.requests.get(bytes.fromhex(str(saying.fields.get("request", ""))))
    if request is not None and request.beneficiary and spec.roles == ("recipient",):
        return key.name == request.beneficiary
    return not spec.four_eyes or all(not _same(key, other) for other in _asked(state, saying))


def _same(one: Key, other: Key) -> bool:
    return one.name == other.name or bool(one.person and one.person == other.person)


def _asked(state: State, saying: Saying) -> list[Key]:
    """Who asked for what is answered or, where nothing is answered, who made the artifacts."""
    request = state.requests.get(bytes.fromhex(str(saying.fields.get("request", ""))))
    if request is not None:
        return [key for key in (state.keys.get(request.actor),) if key]
    makers = [state.lives.maker(state.lives.find(item.digest)) for item in saying.subjects]
    return [key for key in map(state.signer, makers) if key]


def _task(found: Custodian, item: _Waiting, key: Key) -> Task:
    since = access.moment(found.ledger.state.times[item.entry])
    about = wording.listed(item.saying.subjects)
    words = tuple(wording.words(item.saying, key, found.policy))
    return Task(item.what, since, about, item.notes, item.commands, words)


def _waiting(found: Custodian) -> Iterator[_Waiting]:
    yield from _judgements(found)
    for event, build in _ANSWERS.items():
        for one in access.opened(found, event):
            yield build(found, one)


def _judgements(found: Custodian) -> Iterator[_Waiting]:
    """What was validated last in each experiment and waits for a person."""
    state = found.ledger.state
    for slot, value in sorted(state.slots.items()):
        status = state.status(value.subject)
        if not slot.endswith("/generate") or status not in ("review", "passed"):
            continue
        item = acting.item(found, value.subject)
        head = state.lives.head(state.lives.find(value.subject))
        if status == "review":
            saying = judging.review(judging.judged(found, item.digest.hex()), "pass", BLANK)
            reviews = _commands(f"review {item.path} --outcome pass|refuse|comment", notes=BLANK)
            yield _Waiting("its verdict is `review`: somebody must read the report and decide", head, saying, reviews)
        else:
            commands = (
                *_commands(f"approve {item.path}", reason=BLANK),
                *_commands(f"reject {item.path}", reason=BLANK),
            )
            saying = judging.decision("approved", item, BLANK)
            yield _Waiting("it passed its gate and waits for approval", head, saying, commands)


def _proposal(found: Custodian, one: access.Open) -> _Waiting:
    path, entry = one.items[0].path, one.request.entry
    saying = access.grant(one, access.moment(0), BLANK, "")
    fields = {**saying.fields, "expires": BLANK}
    commands = (
        *_commands(f"access grant {path} --entry {entry}", terms=BLANK),
        *_commands(f"access refuse {path} --entry {entry}", reason=BLANK),
    )
    what = f"{one.request.actor} asks for access"
    filled = Saying(saying.event, saying.subjects, fields, saying.meaning)
    return _Waiting(what, entry, filled, commands, _proposed(found, entry))


def _proposed(found: Custodian, entry: int) -> tuple[str, ...]:
    """The proposal behind the request at `entry`, or why it cannot be shown."""
    try:
        return tuple(
            proposals.read(found.root / FOLDER, found.ledger.log.statement(entry).act.text("proposal")).lines()
        )
    except CustodyError as error:
        return (str(error),)


def _offer(_found: Custodian, one: access.Open) -> _Waiting:
    saying = Saying("transfer-accepted", one.items, {"request": one.digest.hex()})
    return _Waiting("an offer waits for your answer", one.request.entry, saying, ("synthtrail accept FOLDER",))


def _disposal(_found: Custodian, one: access.Open) -> _Waiting:
    fields = {"request": one.digest.hex(), "reason": BLANK}
    saying = Saying("disposal-approved", one.items, fields, "approval")
    command = _commands(f"dispose approve {one.items[0].path}", reason=BLANK)
    return _Waiting(f"{one.request.actor} asks for its disposal", one.request.entry, saying, command)


def _execution(_found: Custodian, one: access.Open) -> _Waiting:
    fields: dict[str, Value] = {"request": one.digest.hex(), "certificate": BLANK, "details": []}
    saying = Saying("disposal-executed", one.items, fields)
    command = (f"synthtrail dispose execute {one.items[0].path}",)
    return _Waiting("its disposal was approved and waits to be carried out", one.request.entry, saying, command)


def _incident(found: Custodian, one: access.Open) -> _Waiting:
    entry = one.request.entry
    saying = Saying("recovered", (), {"request": one.digest.hex(), "what": BLANK})
    notes = (f"reported by {one.request.actor}: {found.ledger.log.statement(entry).predicate['what']}",)
    return _Waiting("an incident is open", entry, saying, _commands(f"incident close {entry}", what=BLANK), notes)


_ANSWERS = {
    "access-requested": _proposal,
    "transfer-offered": _offer,
    "disposal-requested": _disposal,
    "disposal-approved": _execution,
    "incident": _incident,
}


def _commands(start: str, **options: str) -> tuple[str, ...]:
    words = "".join(f' --{name} "{value}"' for name, value in options.items())
    return (f"synthtrail {start}{words}",)
