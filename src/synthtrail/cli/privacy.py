"""Show what protects the rows that a model learnt from: the promise of differential privacy, and what attacks found.

    synthtrail privacy ward              the terms, the audit of the mechanism, the membership attack of the report
    synthtrail privacy ward --again 5    attack the mechanism five more times, each with canaries and noise of its own

The audit plants canaries in rows of nobody, runs the mechanism with the model's own settings, and tells the epsilon
that an attacker can prove: a bound from below, so it can show that a promise is broken, never that it is kept. The
membership attack asks of the synthetic rows whether they give training rows away. A model without differential privacy
has the second alone. Nothing is written, and --again reads no real row.

Exit codes: 0 no attack contradicts the promise; 1 one does; 2 asked for what cannot be done.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthtrail.cli.errors import CommandError

ATTACKS = {
    "mia_tpr": "members found at 0.1 % false alarms (chance: 0.001)",
    "mia_tpr_upper": "the same, upper 95 % bound (the gate: 0.005)",
    "mia_p": "chance of so many if nothing leaked",
    "mia_auc": "members told from others (guessing: 0.5)",
    "copies": "synthetic rows that equal a training row",
    "copies_holdout": "holdout rows that equal one, for comparison",
}


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("name", help="an experiment that `synthtrail repro` has made")
    parser.add_argument("--again", type=int, default=0, metavar="N", help="attack the mechanism N more times")


def run(arguments: argparse.Namespace) -> int:
    """Print terms and attacks."""
    folder = Path("data") / arguments.name
    described = read(folder / "model/model.json", f"no model of {arguments.name!r} here; `synthtrail repro` makes one")
    terms: Mapping[str, Any] = described.get("privacy", {})
    print(f"{arguments.name}: {described['synthesizer']}")
    show_terms(terms)
    kept = [again(folder / "model", terms) for _ in range(max(0, arguments.again))]
    show_report(folder / "metrics.json")
    return int(not all(kept))


def show_terms(terms: Mapping[str, Any]) -> None:
    """Print the promise, or that there is none."""
    if not terms:
        print("  no differential privacy: nothing is promised about single rows, see what attacks found")
        return
    print(f"  promised: epsilon {terms['epsilon']:g}, delta {terms['delta']:g}")
    for name, value in terms.items():
        if name not in ("epsilon", "delta"):
            print(f"  {name.replace('_', ' ')}: {value}")


def again(model: Path, terms: Mapping[str, Any]) -> bool:
    """Attack the mechanism once more and print what is proven; return whether the promise stands."""
    from synthtrail.models import private_terms, registry  # noqa: PLC0415 - the pipeline's libraries
    from synthtrail.models.errors import ModelError  # noqa: PLC0415

    if not terms:
        raise CommandError("--again: this model promises no differential privacy, so there is nothing to audit")
    loaded: Any = registry.load(model)
    try:
        print(f"  audit again: {private_terms.in_words(loaded.audited().to_json())}")
    except ModelError as error:
        print(f"  audit again: {error}")
        return False
    return True


def show_report(path: Path) -> None:
    """Print what the membership attack found in the synthetic rows."""
    if not path.exists():
        print("  not judged yet: `synthtrail repro` does, and then tells what a membership attack finds")
        return
    scores = json.loads(path.read_bytes())
    print("  in the synthetic rows (the report's attack, on real rows):")
    for name, words in ATTACKS.items():
        if name in scores:
            print(f"    {scores[name]:.4f}  {words}")


def read(path: Path, absent: str) -> dict[str, Any]:
    """Return a JSON file; `CommandError` if it is not there."""
    if not path.exists():
        raise CommandError(absent)
    return dict(json.loads(path.read_bytes()))
