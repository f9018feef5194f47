"""What was told of a training so far, so that a resumed one tells the whole.

Figures go to the watcher as they come and are remembered; so are the files that samples left. A checkpoint holds all
of it, and `replay` tells a new watcher what an earlier process had told another. When training is set back to an
earlier state, what was told of the steps since then is forgotten.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from synthtrail.models.synthesizer import Training

Figures = Mapping[str, float]


@dataclass
class Journal:
    """The figures, sample files and restarts of one fit."""

    training: Training
    figures: list[tuple[int, Figures]] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    restarts: list[str] = field(default_factory=list)

    def log(self, step: int, figures: Figures) -> None:
        """Tell the figures of a step."""
        self.figures.append((step, dict(figures)))
        self.training.curves.log(step, figures)

    def show(self, step: int, steps: int, data: Any) -> None:
        """Show what the model makes after `step` of `steps` steps."""
        self.files |= self.training.samples.draw(step, steps, data)

    def keep(self, name: str, content: bytes) -> None:
        """Keep a file beside the samples."""
        self.files[name] = content
        self.training.samples.keep({name: content})

    def set_back(self, step: int, reason: str) -> None:
        """Forget what was told of the steps after `step`."""
        self.restarts.append(reason)
        self.figures = [item for item in self.figures if item[0] <= step]
        self.training.tell(reason)

    def replay(self) -> None:
        """Tell the watcher everything again."""
        for step, figures in self.figures:
            self.training.curves.log(step, figures)
        self.training.samples.keep(self.files)

    def to_json(self) -> dict[str, Any]:
        """Return figures and restarts as JSON values; the files are bytes, and kept beside."""
        return {"figures": [[step, dict(values)] for step, values in self.figures], "restarts": list(self.restarts)}

    def take(self, told: Mapping[str, Any], files: Mapping[str, bytes]) -> None:
        """Take what `to_json` gave, and the files."""
        self.figures = [(int(step), dict(values)) for step, values in told["figures"]]
        self.restarts, self.files = [str(line) for line in told["restarts"]], dict(files)
