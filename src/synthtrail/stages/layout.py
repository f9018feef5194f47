"""Where each stage's files lie in a checkout, relative to its root.

Whatever is generated from a finished run beside its own synthetic data is kept under a **label**, in slots of its own:
its name is the experiment's, a dot, and the label. Model and split are the experiment's, but for a model that was
trained on under the label, which lies at `own("model")`.

>>> Layout("iris").record("train").as_posix()
'data/records/iris/train.json'
>>> Layout("iris.big").synthetic.as_posix(), Layout("iris.big").model.as_posix()
('data/iris/more/big/synthetic', 'data/iris/model')
"""

from dataclasses import dataclass
from pathlib import Path

STAGES = ("ingest", "preprocess", "train", "generate", "validate")


@dataclass(frozen=True)
class Layout:
    """The paths of one experiment, or of one label of it."""

    experiment: str

    @property
    def run(self) -> Path:
        """Folder of everything that the experiment makes, but for its records."""
        return Path("data") / self.experiment.partition(".")[0]

    @property
    def base(self) -> Path:
        """The same, or what belongs to the label."""
        label = self.experiment.partition(".")[2]
        return self.run / "more" / label if label else self.run

    def own(self, name: str) -> Path:
        """Where a stage leaves `name`: beside all else of the experiment, or of the label if it runs for a label."""
        return self.base / name

    @property
    def raw(self) -> Path:
        """The source as read: the subject of `ingest`."""
        return self.run / "raw"

    @property
    def split(self) -> Path:
        """Training and holdout part with schema and codec: the subject of `preprocess`."""
        return self.run / "split"

    @property
    def model(self) -> Path:
        """Weights and settings: the subject of `train`."""
        return self.run / "model"

    @property
    def curves(self) -> Path:
        """What was watched while training, a CSV file per curve."""
        return self.run / "curves"

    @property
    def samples(self) -> Path:
        """What the model made while it was training, a picture and its numbers per step."""
        return self.run / "samples"

    @property
    def synthetic(self) -> Path:
        """What was generated: the subject of `generate`."""
        return self.base / "synthetic"

    @property
    def report(self) -> Path:
        """The report and its page: the subject of `validate`."""
        return self.base / "report"

    @property
    def figures(self) -> Path:
        """The figures of the report, one SVG file each."""
        return self.base / "figures"

    @property
    def diagnostics(self) -> Path:
        """The diagnostics page: training, columns and pairs, drawn."""
        return self.base / "diagnostics.html"

    @property
    def metrics(self) -> Path:
        """The report's scores as one flat JSON object."""
        return self.base / "metrics.json"

    @property
    def expectations(self) -> Path:
        """The expectations derived from the schema, kept in git."""
        return Path("catalog/expectations") / f"{self.experiment}.json"

    def plan(self, stage: str) -> Path:
        """What `params.yaml` asks of `stage`, with the defaults filled in."""
        return self.base / "plan" / f"{stage}.json"

    def record(self, stage: str) -> Path:
        """The record of `stage`."""
        return Path("data/records") / self.experiment / f"{stage}.json"
