"""How the networks of `image_labels` are taught: by real images, classes equally often, each changed anew."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from synthtrail.data.augment import Augmentation, augment
from synthtrail.models.image_labels import Labeller
from synthtrail.models.image_layers import settle
from synthtrail.models.image_objective import chances
from synthtrail.models.journal import Journal
from synthtrail.models.likelihood import Likelihood, LikelihoodSchedule, maximise
from synthtrail.models.objective import generator_for
from synthtrail.models.prefixed import Prefixed
from synthtrail.models.synthesizer import NoSamples

BATCH, RATE, DECAY = 64, 0.003, 0.02
CHECKED, NEVER = 100, 1_000_000  # steps between two checks, and how many without a better one end a training
STANDING, STOOD = 2**48, 30  # the random stream of the batches by which statistics are counted, and how many


class Naming(Likelihood):
    """The loss of a labeller; rows are images (N, C, H, W) uint8."""

    network: Labeller

    def __init__(self, network: Labeller, rows: Tensor, classes: Tensor, held: Tensor, how: Augmentation) -> None:
        """Take images with their class numbers; `held` (M,) are the numbers of those held back."""
        kept = torch.ones(len(rows), dtype=torch.bool)
        kept[held] = len(held) == len(rows)
        super().__init__(network, rows[kept], rows[held])
        self.classes, self.held_classes, self.how = classes[kept], classes[held], how
        self.chances = chances(self.classes, 1.0)

    def loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the sum of the networks' cross-entropies, each on `size` images of its own."""
        seen = [self.batch(size, random) for _ in self.network.networks]
        said = [self.network.said(number, images) for number, (images, _) in enumerate(seen)]
        return torch.stack([functional.cross_entropy(a, b) for a, (_, b) in zip(said, seen, strict=True)]).sum()

    def batch(self, size: int, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return changed images in [-1, 1] and their classes; augmentation draws on the CPU, wherever the rows lie."""
        here = torch.Generator().manual_seed(int(torch.randint(2**62, (1,), generator=random, device=random.device)))
        at = torch.searchsorted(self.chances, torch.rand(size, generator=here, dtype=torch.float64), right=True)
        at = at.clamp_(max=len(self.classes) - 1)
        changed = augment(self.rows[at.to(self.rows.device)].cpu().float() / 255, self.how, here)
        return (2 * changed - 1).to(self.rows.device), self.classes[at].to(self.rows.device)

    def judge(self, network: nn.Module) -> Tensor:
        """Return the mean cross-entropy on the images held back, classes counting alike, normalised by themselves."""
        assert isinstance(network, Labeller)  # noqa: S101 - the average of our own network
        network.train()
        weight = 1 / torch.bincount(self.held_classes).double()[self.held_classes]
        targets = self.held_classes.to(self.held.device)
        said = [network.said(number, self.held.float() / 127.5 - 1) for number in range(len(network.networks))]
        each = torch.stack([functional.cross_entropy(one, targets, reduction="none") for one in said]).mean(0).cpu()
        return (each * weight).sum() / weight.sum()


def train(
    labeller: Labeller, rows: Tensor, classes: Tensor, held: Tensor, how: Augmentation, steps: int, journal: Journal
) -> None:
    """Teach a labeller by images (N, C, H, W) uint8 of classes (N,), of which those numbered `held` judge the steps."""
    labeller.standardise_by(rows)
    objective = Naming(labeller, rows, classes, held, how)
    schedule = LikelihoodSchedule(
        steps, BATCH, RATE, DECAY, warm_up=steps // 5 + 1, ema=0.99, clip=5.0, check_every=CHECKED, patience=NEVER
    )
    watched = replace(journal.training, curves=Prefixed(journal, "label_"), samples=NoSamples())
    weights = maximise(objective, schedule, watched, lambda _: None)
    labeller.cpu().load_state_dict(weights)
    random = generator_for(journal.training.seed, STANDING)
    settle(labeller, ((objective.cpu().batch(BATCH, random)[0],) for _ in range(STOOD)))
