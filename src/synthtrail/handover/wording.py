"""What a person is about to sign, in plain words: everything that the statement will hold except the time.

    Ada Lovelace (p-ada), steward, signs with the key lab.example/ada:
        I approve data/iris/synthetic.
          digest  3b01c25e…
          reason  fit for teaching
          meaning of this signature: approval
        It is entered in the ledger lab.example/ledger/1f2e and cannot be taken back, only answered.

The words are made from the very fields that are signed, so that nothing can be signed that was not shown; the time and
the name of the artifact's latest event are filled in when the entry is made.
"""

from collections.abc import Sequence

from synthtrail.custody.keyring import Key
from synthtrail.custody.policy import Policy
from synthtrail.custody.record import Item
from synthtrail.handover.acting import Saying

SENTENCES = {
    "ledger-opened": "I open the ledger.",
    "key-added": "I list a key in the ledger: from now on, what it signs counts.",
    "key-rotated": "I list the successor of a key; the old one may sign nothing from now on.",
    "key-revoked": "I end a key: from now on, what it signs counts for nothing.",
    "policy-changed": "I put another policy into force.",
    "incident": "I report an incident.",
    "recovered": "I declare an incident settled.",
    "ledger-closed": "I close the ledger: nothing can be entered after this.",
    "anchored": "I state that the ledger's head was time-stamped.",
    "status": "I state what became of every artifact so far.",
    "reproduced": "I rebuilt {what} and compared the bytes.",
    "approved": "I approve {what}: it may be offered to others and released.",
    "rejected": "I reject {what}: it may not be offered or released.",
    "released": "I release {what} to the public.",
    "stored": "I state that {what} was stored, encrypted.",
    "access-requested": "I ask for access to {what}.",
    "access-granted": "I grant access to {what}.",
    "access-refused": "I refuse access to {what}.",
    "accessed": "I used {what}.",
    "transfer-offered": "I offer {what} to another organisation.",
    "transfer-accepted": "I accept {what}: I received it and computed its digest myself.",
    "transfer-rejected": "I do not accept {what}.",
    "transfer-expired": "I state that the offer of {what} ran out unanswered.",
    "retention-set": "I set until when {what} may be kept.",
    "hold-placed": "I place a hold on {what}: it may not be disposed of.",
    "hold-lifted": "I lift a hold on {what}.",
    "disposal-requested": "I ask that {what} be disposed of.",
    "disposal-approved": "I approve that {what} be destroyed.",
    "disposal-executed": "I state that {what} was destroyed as the certificate says.",
    "disposal-verified": "I looked again for copies of {what}.",
}
REVIEWS = {
    "pass": "I read the report about {what} and judge it fit for use.",
    "refuse": "I read the report about {what} and judge it not fit for use.",
    "comment": "I read the report about {what} and comment on it without deciding.",
}


def sentence(saying: Saying) -> str:
    """Return what is said, without its details."""
    outcome = str(saying.fields.get("outcome", ""))
    pattern = (
        REVIEWS[outcome] if saying.event == "reviewed" else SENTENCES.get(saying.event, f"{saying.event} {{what}}.")
    )
    return pattern.format(what=listed(saying.subjects))


def listed(subjects: Sequence[Item]) -> str:
    """Return the paths of the artifacts as a phrase."""
    return " and ".join(item.path for item in subjects) or "the ledger"


def who(key: Key, policy: Policy) -> str:
    """Return who signs: the person's name from the policy's register, or the machine's role."""
    if not key.person:
        kind = "Somebody" if key.role in ("recipient", "auditor", "root") else "A machine"
        return f"{kind} of {key.organisation or 'this organisation'}"
    return f"{policy.register.get(key.person, 'somebody unknown')} ({key.person})"


def words(saying: Saying, key: Key, policy: Policy) -> list[str]:
    """Return the lines to be read before signing."""
    details = [(item.path if len(saying.subjects) > 1 else "digest", item.digest.hex()) for item in saying.subjects]
    details += [(name, shown(value)) for name, value in saying.fields.items()]
    details += list(saying.context)
    width = max((len(name) for name, _ in details), default=0)
    return [
        f"{who(key, policy)}, {key.role}, signs with the key {key.name}:",
        f"    {sentence(saying)}",
        *(f"      {name:<{width}}  {value}" for name, value in details),
        *([f"      meaning of this signature: {saying.meaning}"] if saying.meaning else []),
        f"    It is entered in the ledger {policy.origin} and cannot be taken back, only answered.",
    ]


def shown(value: object) -> str:
    """Return a field's value on one line."""
    if isinstance(value, list):
        pairs = [f"{item['name']}: {item['value']}" if isinstance(item, dict) else str(item) for item in value]
        return "; ".join(pairs)
    return " ".join(str(value).split())
