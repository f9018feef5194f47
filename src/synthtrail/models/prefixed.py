"""Curves of a training within a fit, which would otherwise have the names of another one's."""

from dataclasses import dataclass

from synthtrail.models.journal import Figures, Journal


@dataclass(frozen=True)
class Prefixed:
    """Curves kept in the journal of the whole fit, each name after a prefix."""

    journal: Journal
    prefix: str

    def log(self, step: int, figures: Figures) -> None:
        """Keep the figures of a step."""
        self.journal.log(step, {f"{self.prefix}{name}": value for name, value in figures.items()})
