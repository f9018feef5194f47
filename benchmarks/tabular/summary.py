"""Results gathered: by table, generator, settings and split; pooled attacks; what was not run.

found = Findings.of(store, planned)
found.mean("adult", "cart", "shapes")            # over splits, seeds of a split averaged before
found.difference("adult", "wgan_gp", "ctgan", "shapes")     # paired over splits, with its interval
found.pooled("adult", "cart")                    # the attack over all splits together
"""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta

from synthtrail.evaluation import privacy
from tabular.intervals import Interval, paired
from tabular.runs import Result, Run, Store
from tabular.schedule import Planned

Place = tuple[str, str, str]  # table, generator, settings as JSON


@dataclass(frozen=True)
class Pooled:
    """The attack over several splits: members found at 0.1 % false alarms, the bound, and the non-members there were.

    `at_least` says that more were found than were kept.
    """

    found: int
    members: int
    upper: float
    others: int
    at_least: bool

    @property
    def enough(self) -> bool:
        """Whether so few false alarms can be told at all."""
        return self.others >= privacy.NON_MEMBERS_NEEDED and self.members >= privacy.MEMBERS_NEEDED


@dataclass(frozen=True)
class Findings:
    """Every outer result that measured something, by place and (split, seed); and what is missing, by state."""

    kept: Mapping[Place, Mapping[tuple[int, int], Result]]
    failed: Mapping[tuple[str, str], str]
    states: Mapping[str, Sequence[Run]]
    outdated: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, store: Store, planned: Sequence[Planned]) -> "Findings":
        """Gather the results of the planned runs."""
        kept: dict[Place, dict[tuple[int, int], Result]] = defaultdict(dict)
        failed: dict[tuple[str, str], str] = {}
        states: dict[str, list[Run]] = {"done": [], "failed": [], "outdated": [], "missing": []}
        outdated = set()
        for one in planned:
            run, result = one.run, store.latest(one.run)
            current = result is not None and result["digest"] == one.digest
            state = "missing" if result is None else "outdated" if not current else "done"
            if result is not None and "failed" in result:
                failed[run.table, run.generator] = result["failed"]
                state = "failed"
            elif result is not None and run.part == "outer":
                kept[run.table, run.generator, settings_text(run.settings)][run.split, run.seed] = result
                outdated |= set() if current else {(run.table, run.generator)}
            states[state].append(run)
        return cls(kept, failed, states, frozenset(outdated))

    def by_split(self, table: str, generator: str, measure: str, settings: str = "{}") -> dict[int, float]:
        """Return a figure by split, the mean over its seeds; splits without it are left out."""
        found: dict[int, list[float]] = defaultdict(list)
        for (split, _), result in self.kept.get((table, generator, settings), {}).items():
            value = figure(result, measure)
            if value is not None:
                found[split].append(value)
        return {split: float(np.mean(values)) for split, values in sorted(found.items())}

    def mean(self, table: str, generator: str, measure: str, settings: str = "{}") -> float | None:
        """Return a figure's mean over splits, None if it was never measured."""
        values = list(self.by_split(table, generator, measure, settings).values())
        return float(np.mean(values)) if values else None

    def difference(self, table: str, one: str, other: str, measure: str) -> Interval:
        """Return the mean of `one` - `other` over the splits that both have, with its interval."""
        return paired(self.by_split(table, one, measure), self.by_split(table, other, measure))

    def runs(self, table: str, generator: str, settings: str = "{}") -> tuple[int, int]:
        """Return on how many splits, and in how many runs, a generator was measured."""
        results = self.kept.get((table, generator, settings), {})
        return len({split for split, _ in results}), len(results)

    def pooled(self, table: str, generator: str, settings: str = "{}") -> Pooled | None:
        """Return the attack over the splits (the first seed of each), None without any."""
        results = self.kept.get((table, generator, settings), {})
        first = {split: results[split, min(s for p, s in results if p == split)] for split, _ in results}
        return pool([result["attack"] for result in first.values()]) if first else None


def pool(attacks: Sequence[Mapping[str, Any]]) -> Pooled:
    """Return the attack over several splits together: one threshold, the ratio that 0.1 % of all non-members pass.

    >>> one = {"members": 3, "others": 999, "lowest_members": [0.1, 0.5, 0.9], "lowest_others": [0.3, 0.4]}
    >>> two = {"members": 3, "others": 1, "lowest_members": [0.2, 0.5, 0.9], "lowest_others": [0.8]}
    >>> pool([one, two]).found          # one of 1,000 may be below, so the mark is the second lowest, .4
    2
    """
    members, others = (sum(attack[side] for attack in attacks) for side in ("members", "others"))
    allowed = int(privacy.FALSE_POSITIVES * others)
    mark = np.sort(np.concatenate([attack["lowest_others"] for attack in attacks]))[allowed]
    below = [(np.array(attack["lowest_members"]) < mark) for attack in attacks]
    found = int(sum(side.sum() for side in below))
    cut = any(side.all() and len(side) < attack["members"] for side, attack in zip(below, attacks, strict=True))
    upper = 1.0 if found == members else float(beta.ppf(privacy.LEVEL, found + 1, members - found))
    return Pooled(found, members, upper, others, cut)


def figure(result: Result, measure: str) -> float | None:
    """Return one figure of a result: of its metrics or of its cost."""
    value = result.get("metrics", {}).get(measure, result.get("cost", {}).get(measure))
    return None if value is None else float(value)


def settings_text(settings: Mapping[str, Any]) -> str:
    """Return settings as they are keyed."""
    return json.dumps(dict(settings), sort_keys=True)
