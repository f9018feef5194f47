"""The control that draws training rows with replacement (Efron 1979, doi:10.1214/aos/1176344552). For judging only.

Nothing is more faithful, and nothing less private: every row is a real one. What a judge finds wrong with it is
sampling error, so it marks the best that fidelity and utility can reach, and the attacks must find it out.
"""

from dataclasses import dataclass
from typing import ClassVar

from synthtrail.models.kept_rows import KeptRows


@dataclass(frozen=True)
class BootstrapSettings:
    """No settings."""


class Bootstrap(KeptRows[BootstrapSettings]):
    """Good as the upper mark of fidelity in comparisons. It hands on real rows: never to be released."""

    name: ClassVar[str] = "bootstrap"

    @classmethod
    def settings_class(cls) -> type[BootstrapSettings]:
        """Return the dataclass of the settings."""
        return BootstrapSettings
