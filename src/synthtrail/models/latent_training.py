"""What `latent_gan` trains before its GAN, and does not train again when that is taken up after a kill."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from synthtrail.data.augment import SIGNS, TISSUE
from synthtrail.models import image_turns
from synthtrail.models.checkpoint import Checkpoint
from synthtrail.models.image_labels import Labeller
from synthtrail.models.image_labels_training import train as teach
from synthtrail.models.image_layers import settle
from synthtrail.models.journal import Journal
from synthtrail.models.latent_network import Autoencoder, scaled
from synthtrail.models.latent_objective import Reconstruction
from synthtrail.models.likelihood import LikelihoodSchedule, maximise
from synthtrail.models.objective import generator_for
from synthtrail.models.prefixed import Prefixed
from synthtrail.models.state import State
from synthtrail.models.synthesizer import NoSamples, Training

HELD, MOST_HELD = 0.05, 2_000  # images by which the steps are judged: a share, and at most
CHECKED, NEVER = 200, 1_000_000  # steps between two checks, and how many without a better one end a training
STANDING = 2**45  # the random stream of the images by which the statistics are counted


@dataclass(frozen=True)
class Coding:
    """The training of an autoencoder on rows (N, C, H, W) uint8 of classes (N,), and of a labeller if there is one."""

    autoencoder: Autoencoder
    labeller: Labeller | None
    rows: Tensor
    classes: Tensor
    journal: Journal
    kept: Checkpoint | None

    @classmethod
    def of(
        cls,
        autoencoder: Autoencoder,
        labeller: Labeller | None,
        rows: Tensor,
        classes: Tensor,
        training: Training,
        told: str,
    ) -> "Coding":
        """Return the training within this fit; `told` is what makes it this one, beside rows and fresh weights."""
        journal, fresh = Journal(training), {"rows": rows, "classes": classes, **autoencoder.state_dict()}
        kept = Checkpoint.named(fresh, told, training, journal)
        return cls(autoencoder, labeller, rows, classes, journal, kept)

    def trained(self, plan: Mapping[str, Any], rate: float, ways: int) -> tuple[Autoencoder, Labeller | None]:
        """Return the trained networks, from the checkpoints' folder as far as they are there.

        `plan` is that of `latent_gan.chosen`; images may lie in `ways` ways.
        """
        whole = State({"autoencoder": self.autoencoder} | ({"labeller": self.labeller} if self.labeller else {}), [])
        done, coding = 0 if self.kept is None else self.kept.restore(whole), plan["code_steps"]
        if not done:
            self._train(LikelihoodSchedule(coding, plan["batch"], rate, check_every=CHECKED, patience=NEVER), ways)
            self._keep(whole, coding)
        if self.labeller is not None and done <= coding:
            how = TISSUE if ways > 1 else SIGNS
            teach(self.labeller, self.rows, self.classes, self._held(), how, plan["label_steps"], self.journal)
            self._keep(whole, coding + plan["label_steps"])
        return self.autoencoder, self.labeller and self.labeller.eval()

    def _keep(self, whole: State, step: int) -> None:
        if self.kept is not None:
            self.kept.save(whole, step)

    def _order(self) -> Tensor:
        """Return the numbers of the images (N,) in an order of the seed's."""
        return torch.randperm(len(self.rows), generator=torch.Generator().manual_seed(self.journal.training.seed))

    def _held(self) -> Tensor:
        """Return the numbers of the images by which steps are judged: all, where there are few."""
        size = len(self.rows)
        return self._order()[: min(MOST_HELD, round(size * HELD)) if size > 2 / HELD else size]

    def _train(self, schedule: LikelihoodSchedule, ways: int) -> None:
        rows, order, held = self.rows, self._order(), self._held()
        objective = Reconstruction(self.autoencoder, rows[order[len(held) % len(rows) :]], rows[held])
        objective.ways = ways
        watched = replace(self.journal.training, curves=Prefixed(self.journal, "code_"), samples=NoSamples())
        weights = maximise(objective, schedule, watched, lambda _: None)
        self.autoencoder.cpu().load_state_dict(weights)
        self._stand(order[: 100 * schedule.batch], ways)

    def _stand(self, at: Tensor, ways: int) -> None:
        """Count the statistics of the averaged networks anew, by the images of these numbers."""
        parts = [part for part in torch.split(at, 200) if len(part) > 1]
        still, random = torch.zeros(200, self.autoencoder.latent), generator_for(self.journal.training.seed, STANDING)
        seen = (scaled(image_turns.at_random(self.rows[part], ways, random)) for part in parts)
        settle(self.autoencoder, ((images, still[: len(images)]) for images in seen))

    def discard(self) -> None:
        """Forget both, for the fit is done."""
        if self.kept is not None:
            self.kept.discard()
