"""Whether an event may stand at the end of a ledger: every rule, in order.

`problems` judges one event against the state before it and changes nothing:

1. It belongs to this ledger, and does not stand in it already.
2. Entry 0 opens the ledger, no other does, and nothing follows its closing.
3. Its time fits: not after its entry was received, not long before, and not before what it follows.
4. Its signer is listed at this position, has the role, and is a named person where one is needed.
5. For every subject it names the artifact's latest event.
6. The inputs of a record have a history; a reused record was logged before.
7. The transition table allows it, and no hold forbids it.
8. What it answers is open, about the same artifacts, in time, and this signer's to answer.
9. Who approves is neither the key nor the person that requested or made.
10. Keys, policies, prefix sizes and status roots that it states are right here.
"""

from synthtrail.custody.act import Act
from synthtrail.custody.events import EVENTS, EventSpec
from synthtrail.custody.findings import Problem
from synthtrail.custody.keyring import Key
from synthtrail.custody.state import Request, State, part
from synthtrail.custody.transitions import HELD_BACK, after

NOT_OF_THIS_LEDGER = frozenset(
    {
        "event-of-another-ledger",
        "event-replayed",
        "signer-unknown",
        "signer-revoked",
        "key-substituted",
        "threshold-missed",
        "custody-fork",
        "previous-wrong",
    }
)
"""Problems with which an event is not taken at all; with others it is chained, but has no effect."""

_SECOND = 1_000_000


def problems(state: State, act: Act, signers: tuple[str, ...], received: int) -> list[Problem]:
    """What speaks against `act`, signed by the keys named `signers`, as the next event; empty if nothing does."""
    stranger = _stranger(state, act)
    if stranger:
        return [stranger]
    spec = EVENTS[act.event]
    found: list[Problem] = []
    _check_place(state, act, found)
    _check_clock(state, act, received, found)
    _check_signer(state, act, spec, signers, found)
    if act.subjects:
        rows = [state.lives.find(subject) for subject in act.subjects]
        _check_previous(state, act, rows, found)
        _check_transition(state, act, rows, found)
    if act.slot:
        _check_record(state, act, found)
    if spec.answers:
        _check_answer(state, act, spec, found)
    if spec.four_eyes:
        _check_four_eyes(state, act, found)
    if spec.about == "ledger":
        _check_ledger_event(state, act, found)
    return found


def step(state: State, act: Act, signers: tuple[str, ...], received: int) -> list[Problem]:
    """Judge the next event and take it as far as it counts; returns its problems."""
    found = problems(state, act, signers, received)
    codes = {problem.code for problem in found}
    if codes & NOT_OF_THIS_LEDGER:
        state.skip(act.digest, received)
    else:
        state.take(act, received, effect=codes <= {"entry-back-dated"})
    return found


def _stranger(state: State, act: Act) -> Problem | None:
    if act.ledger != state.policy.origin:
        return Problem("event-of-another-ledger", f"it was signed for {act.ledger[:80]!a}")
    before = state.events.find(act.digest)
    if before >= 0:
        return Problem("event-replayed", f"the same event is entry {before}")
    return None


def _check_place(state: State, act: Act, found: list[Problem]) -> None:
    if (state.size == 0) != (act.event == "ledger-opened"):
        found.append(Problem("transition-illegal", "entry 0, and no other, is ledger-opened"))
    if state.closed:
        found.append(Problem("ledger-closed", "the ledger was closed before"))


def _check_clock(state: State, act: Act, received: int, found: list[Problem]) -> None:
    policy = state.policy
    if received < state.received:
        found.append(Problem("entry-back-dated", "it was received before the entry that precedes it"))
    if act.at > received + policy.skew * _SECOND:
        found.append(Problem("entry-back-dated", "it was received before it was signed"))
    if act.at < received - policy.max_delay * _SECOND:
        found.append(Problem("entry-back-dated", f"it is older than {policy.max_delay} s at its entry"))


def _check_signer(state: State, act: Act, spec: EventSpec, signers: tuple[str, ...], found: list[Problem]) -> None:
    key = state.keys.get(act.actor)
    seq = state.size
    if key is None or (key.role != "root" and seq <= key.since):
        found.append(Problem("signer-unknown", f"{act.actor[:80]!a} is not listed at this entry"))
        return
    if key.role == "root":
        _check_roots(state, act, signers, found)
    elif signers != (act.actor,):
        found.append(Problem("key-substituted", f"it says {act.actor}, but {', '.join(signers)} signed"))
    if key.ended(seq):
        found.append(Problem("signer-revoked", f"{act.actor} ended with entry {key.until}"))
    if key.role not in spec.roles:
        found.append(Problem("role-wrong", f"{act.actor} is {key.role}, not {' or '.join(spec.roles)}"))
    _check_person(state, act, spec, key, found)


def _check_roots(state: State, act: Act, signers: tuple[str, ...], found: list[Problem]) -> None:
    # Entry 0 declares the roots that hold from then on; all of them must be pinned, which rule 10 checks.
    roots = {key.name for key in act.roots()} if act.event == "ledger-opened" else state.keys.roots
    threshold = act.number("threshold") if act.event == "ledger-opened" else state.keys.threshold
    if act.actor not in signers or not set(signers) <= roots:
        found.append(Problem("key-substituted", f"{', '.join(signers)} are not the roots at this entry"))
    if len(set(signers)) < threshold:
        found.append(Problem("threshold-missed", f"{len(set(signers))} of {threshold} roots signed"))


def _check_person(state: State, act: Act, spec: EventSpec, key: Key, found: list[Problem]) -> None:
    if spec.person and not act.person:
        found.append(Problem("person-needed", f"{act.event} needs a person's signature"))
    if act.person and key.person not in state.policy.register:
        found.append(Problem("person-needed", f"{act.actor} is the key of no registered person"))


def _check_previous(state: State, act: Act, rows: list[int], found: list[Problem]) -> None:
    named = dict(act.previous)
    for subject, row in zip(act.subjects, rows, strict=True):
        said = named.get(subject)
        expected = state.events[state.lives.head(row)] if row >= 0 else None
        if said != expected:
            found.append(_wrong_previous(state, row, subject, said))
        elif row >= 0 and act.at < state.times[state.lives.head(row)] - state.policy.skew * _SECOND:
            found.append(Problem("entry-back-dated", "it is older than the event it follows"))


def _wrong_previous(state: State, row: int, subject: bytes, said: bytes | None) -> Problem:
    name = subject.hex()[:16]
    if said is None:
        return Problem("previous-wrong", f"it names no earlier event of artifact {name}…, which has one")
    entry = state.events.find(said)
    if row >= 0 and entry in state.lives.history(row):
        return Problem("custody-fork", f"artifact {name}… went on from entry {entry} already")
    return Problem("previous-wrong", f"the event it follows is none of artifact {name}…")


def _check_transition(state: State, act: Act, rows: list[int], found: list[Problem]) -> None:
    for index, row in enumerate(rows):
        now = state.lives.state(row)
        if after(act.event, state=now, part=part(act, index), outcome=act.outcome) is None:
            code = "disposed-reappears" if now == "disposed" and act.slot else "transition-illegal"
            said = f" with {act.outcome}" if act.outcome else ""
            found.append(Problem(code, f"{act.event}{said} may not follow when the artifact is {now}"))
        if act.event in HELD_BACK and state.holds.get(row):
            found.append(Problem("transition-illegal", "a hold on the artifact is open"))


def _check_record(state: State, act: Act, found: list[Problem]) -> None:
    if act.event == "reused" and not state.knows_record(act.record):
        found.append(Problem("record-unknown", "the record that it reuses was never logged"))
    if act.slot.endswith("/ingest"):
        return  # its inputs are sources, which begin outside the ledger
    for digest in act.inputs:
        status = state.status(digest)
        if status == "absent":
            found.append(Problem("input-unknown", f"no earlier event made its input {digest.hex()[:16]}…"))
        elif status == "disposed":
            found.append(Problem("disposed-reappears", f"its input {digest.hex()[:16]}… was disposed of"))


def _check_answer(state: State, act: Act, spec: EventSpec, found: list[Problem]) -> None:
    code = "acceptance-forged" if spec.roles == ("recipient",) else "answer-wrong"
    request = state.requests.get(act.request)
    if request is None or request.event not in spec.answers:
        known = act.request in state.events
        why = "it was answered already" if known else "there is no such event"
        found.append(Problem(code, f"no open {' or '.join(spec.answers)} to answer: {why}"))
        return
    found.extend(Problem(code, why) for why in _unfit(act, request))


def _unfit(act: Act, request: Request) -> list[str]:
    """Why this answer does not fit the open request."""
    why = []
    if request.subjects != act.subjects:
        why.append(f"entry {request.entry} is about other artifacts")
    if request.beneficiary and act.event != "transfer-expired" and act.actor != request.beneficiary:
        why.append(f"only {request.beneficiary} may answer entry {request.entry}")
    if request.expires is not None and (act.at > request.expires) != (act.event == "transfer-expired"):
        why.append(f"entry {request.entry} had {'expired' if act.at > request.expires else 'not expired'}")
    return why


def _check_four_eyes(state: State, act: Act, found: list[Problem]) -> None:
    own = state.keys.get(act.actor)
    for key in _requesters(state, act):
        if own is not None and (key.name == own.name or (key.person and key.person == own.person)):
            found.append(Problem("self-approval", f"{act.actor} acts on what {key.name} asked for or made"))
            return


def _requesters(state: State, act: Act) -> list[Key]:
    request = state.requests.get(act.request) if "request" in act.fields else None
    if request is not None:
        return [key for key in (state.keys.get(request.actor),) if key]
    rows = [row for row in map(state.lives.find, act.subjects) if row >= 0]
    return [key for key in (state.signer(state.lives.maker(row)) for row in rows) if key]


def _check_ledger_event(state: State, act: Act, found: list[Problem]) -> None:
    match act.event:
        case "ledger-opened" | "policy-changed":
            _check_pinned(state, act, found)
        case "key-added" | "key-rotated" | "key-revoked":
            _check_key(state, act, found)
        case "status":
            _check_status(state, act, found)
        case "anchored" if act.number("size") > state.size:
            found.append(Problem("timestamp-bad", "it anchors more entries than there are"))


def _check_status(state: State, act: Act, found: list[Problem]) -> None:
    if act.number("size") != state.size:
        found.append(Problem("status-wrong", f"a status here sums up {state.size} entries"))
    elif act.text("root") != state.status_root().hex():
        found.append(Problem("status-wrong", f"its root is not the one that the first {state.size} entries give"))


def _check_pinned(state: State, act: Act, found: list[Problem]) -> None:
    keys = act.roots()
    if not set(keys) <= set(state.policy.root_keys):
        found.append(Problem("policy-mismatch", "it names root keys that the policy does not pin"))
    if not 0 < act.number("threshold") <= len(set(keys)):
        found.append(Problem("policy-mismatch", "its threshold cannot be met"))


def _check_key(state: State, act: Act, found: list[Problem]) -> None:
    if act.event == "key-revoked":
        if not state.keys.revocable(act.text("name")):
            found.append(Problem("key-rejected", f"{act.text('name')!a} is no key that the log can revoke"))
        if act.number("compromisedSince") > state.size:
            found.append(Problem("key-rejected", "a key cannot be compromised by entries to come"))
        return
    proposed = state.keys.proposed(act, state.size)
    if isinstance(proposed, Problem):
        found.append(proposed)
    if act.text("person") and act.text("person") not in state.policy.register:
        found.append(Problem("key-rejected", f"{act.text('person')!a} stands in no register"))
