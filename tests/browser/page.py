"""What in the web page is not written by hand: its tables, and the digests in its content policy.

The page judges by the same data as the command line. `tables` collects it from the Python modules, `regenerate` puts
it into the page's JSON block, and then the SHA-256 of each script and of the style sheet into the content policy. A
test requires that nothing changes; after a change of the data or of the page, run

    python -m tests.browser.page
"""

import base64
import json
import re
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

from synthtrail.custody import events, examine, identifying, policy, record, rules, transitions
from synthtrail.custody.findings import CODES

PAGE = Path(__file__).resolve().parents[2] / "verifiers" / "verify.html"
_BLOCK = r'(<script type="application/json" id="{}">)(.*?)(</script>)'
_POLICY = re.compile(r'(<meta http-equiv="Content-Security-Policy" content=")[^"]*(">)')
_SCRIPT = re.compile(r"<script(?: id=\"\w+\")?>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)


def tables() -> dict[str, Any]:
    """Everything that the page judges by and that is data in Python."""
    return {
        "codes": {name: {"attack": code.attack, "meaning": code.meaning} for name, code in CODES.items()},
        "events": [asdict(spec) for spec in events.EVENTS.values()],
        "transitions": [asdict(row) for row in transitions.TRANSITIONS],
        "heldBack": list(transitions.HELD_BACK),
        "notOfThisLedger": sorted(rules.NOT_OF_THIS_LEDGER),
        "faultCodes": dict(sorted(examine._CODES.items())),
        "predicatePrefix": events.PREDICATE_PREFIX,
        "predicateSuffix": events.PREDICATE_SUFFIX,
        "meanings": list(events.MEANINGS),
        "verdicts": list(events.VERDICTS),
        "stageEvent": events.STAGE_EVENT,
        "classes": list(events.CLASSES),
        "recordMembers": {stage: sorted(names) for stage, names in record.MEMBERS.items()},
        "fileMembers": sorted(record._FILE),
        "folderMembers": sorted(record._FOLDER),
        "policyMembers": sorted(policy._MEMBERS),
        "identifying": [item._asdict() for item in identifying.PATTERNS],
    }


def regenerate(text: str) -> str:
    """The page `text` with its tables and its content policy as they should be."""
    rows = ",\n".join(_table(name, content) for name, content in tables().items())
    written = f"{{\n{rows}\n}}".replace("<", "\\u003c")  # nothing in it can end the script element
    text = re.sub(_BLOCK.format("tables"), lambda found: f"{found[1]}\n{written}\n{found[3]}", text, flags=re.DOTALL)
    return _POLICY.sub(lambda found: found[1] + content_policy(text) + found[2], text)


def content_policy(text: str) -> str:
    """Nothing may be loaded and nothing sent; only these scripts and this style sheet run, and a worker of theirs."""
    scripts = " ".join(_digest(script) for script in _SCRIPT.findall(text))
    styles = " ".join(_digest(style) for style in _STYLE.findall(text))
    rules = (
        "default-src 'none'",
        f"script-src {scripts}",
        f"style-src {styles}",
        "worker-src blob:",
        "connect-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
    )
    return "; ".join(rules)


def coverage(text: str) -> dict[str, Any]:
    """What the page `text` declares to judge: codes `judged`, `partly` and `not`."""
    found = re.search(_BLOCK.format("coverage-table"), text, flags=re.DOTALL)
    if found is None:
        raise ValueError("the page declares nothing")
    declared: dict[str, Any] = json.loads(found[2])
    return declared


def _table(name: str, content: Any) -> str:
    """A table as JSON, one row a line, so that a change of the data is a change of few lines."""
    if isinstance(content, dict):
        rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(row)}" for key, row in content.items())
        return f"{json.dumps(name)}: {{\n{rows}\n}}"
    if isinstance(content, list):
        rows = ",\n".join(map(json.dumps, content))
        return f"{json.dumps(name)}: [\n{rows}\n]"
    return f"{json.dumps(name)}: {json.dumps(content)}"


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(sha256(content.encode()).digest()).decode()}'"


if __name__ == "__main__":
    PAGE.write_text(regenerate(PAGE.read_text()))
