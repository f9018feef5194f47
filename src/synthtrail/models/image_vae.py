"""A conditional variational autoencoder for images: less sharp than a GAN, but it misses nothing and never collapses.

Sohn, Lee, Yan 2015 (Advances in Neural Information Processing Systems 28); networks in `image_vae_network`, the loss
in `image_vae_objective`. A twentieth of the images is held back; training ends when the bound on them gets no better.
What is made is the mean shade of every pixel: colours are right, fine texture is averaged away.

With `epsilon` it learns under differential privacy (`dp_training`): no image is held back, a tenth of the budget pays
the count of the classes, and `privacy` tells the guarantee, its terms and what it does not cover.

    model = registry.create("image_vae", {"epsilon": 10.0, "delta": 1e-5, "batch": 600, "steps": 500})
    model.fit(train, codec, Training(seed=0))     # two fits with epsilon differ: the noise is secret
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthtrail.data.image import ImageCodec, ImageSchema, ImageSet
from synthtrail.models import private_settings, private_terms
from synthtrail.models.conditional import ConditionalModel, shares
from synthtrail.models.dp_audit import Audit, audit
from synthtrail.models.errors import ModelError
from synthtrail.models.gan import EACH, MOST_CLASSES, SHOWN
from synthtrail.models.image_layers import Plan
from synthtrail.models.image_vae_network import ImageVae as Network
from synthtrail.models.image_vae_network import packed
from synthtrail.models.kinds import OfImages
from synthtrail.models.objective import generator_for
from synthtrail.models.private_counts import noisy
from synthtrail.models.private_settings import PrivateSettings
from synthtrail.models.synthesizer import Training

AUDITED, AUDITED_WIDTH = 100, 4  # images of nothing among which canaries are planted, and the networks' width
HELD, MOST_HELD = 0.05, 2_000  # images held back: a share, and at most
MOST_AT_ONCE = 1_024  # images expected in a step under differential privacy, where nothing is said


@dataclass(frozen=True)
class ImageVaeSettings:
    """Settings of `ImageVae`; None follows from the images, see `chosen`.

    `latent` numbers make a code. `patience` checks without a better one end training. With `epsilon`, `delta` and
    `clip` are those of `private_settings`; `patience` has no meaning then.
    """

    steps: int | None = None
    batch: int | None = None
    width: int | None = None
    latent: int = 32
    rate: float = 0.001
    ema: float = 0.999
    check_every: int = 200
    patience: int = 5
    epsilon: float | None = None
    delta: float = 1e-6
    clip: float = 1.0


def chosen(settings: ImageVaeSettings, schema: ImageSchema, images: int) -> dict[str, Any]:
    """Return steps, rows in each and width for so many images, where the settings leave them open.

    >>> chosen(ImageVaeSettings(), ImageSchema(28, 28, 1, ("0", "1")), 60_000)
    {'steps': 10000, 'batch': 64, 'width': 16}
    """
    steps = min(10_000, max(1_000, round(10_000 * (images / 60_000) ** 0.4, -2)))
    wide = 16 if max(schema.height, schema.width) <= 48 else 8
    return {
        "steps": settings.steps or int(steps),
        "batch": settings.batch or 64,
        "width": settings.width or wide,
    }


class ImageVae(OfImages, ConditionalModel[ImageSet, ImageCodec, ImageVaeSettings]):
    """Good for labelled images of any shape where every kind must occur, or under differential privacy (`epsilon`).

    Its images are smooth; `latent_gan` makes sharper ones that teach a classifier more.
    """

    network: Network
    name: ClassVar[str] = "image_vae"

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        if self.settings.epsilon is not None:
            private_terms.asked(self.settings.epsilon, self.settings.delta)

    @classmethod
    def settings_class(cls) -> type[ImageVaeSettings]:
        """Return the dataclass of the settings."""
        return ImageVaeSettings

    @property
    def private(self) -> PrivateSettings | None:
        """The settings of differential privacy, if it is asked for."""
        s = self.settings
        if s.epsilon is None:
            return None
        return PrivateSettings(
            s.epsilon, s.delta, steps=s.steps, batch=s.batch, rate=s.rate, clip=s.clip, ema=min(s.ema, 0.99)
        )

    @property
    def privacy(self) -> Mapping[str, object]:
        """The guarantee, its terms, and what it does not cover; nothing without `epsilon`."""
        if self.private is None:
            return {}
        told = private_settings.terms(self.private, self.facts)
        mechanism = str(told["mechanism"]).replace("a count of each column", "a count of the classes")
        public = "size and colour of the images, the names of the classes, the number of images, the settings, "
        return {
            **told,
            "neighbours": "image sets that differ by one image, added or removed",
            "mechanism": mechanism,
            "declared_public": public + "the number of steps, the seed of the first weights",
        }

    def fit(self, data: ImageSet, codec: ImageCodec, training: Training) -> None:
        """Learn from training images (see `Synthesizer.fit`); `ModelError` for more than one device."""
        if training.devices > 1:
            raise ModelError(f"{self.name} learns on one device; set `devices: 1`")
        super().fit(data, codec, training)

    def build(self) -> Network:
        """Return fresh networks."""
        schema = self.codec.schema
        plan = Plan.of(schema.height, schema.width)
        return Network(plan, schema.channels, self.facts["width"], self.settings.latent, len(schema.classes))

    def learn(self, data: ImageSet, training: Training) -> NDArray[np.float64]:
        """Train; return the share of each class, a noisy one under differential privacy."""
        self.facts = chosen(self.settings, self.codec.schema, len(data))
        pixels, numbers = self.codec.stored(data)
        rows = packed(torch.from_numpy(pixels), torch.from_numpy(numbers))
        learnt = self.learn_openly if self.private is None else self.learn_privately
        return learnt(rows, numbers, training)

    def fresh(self, seed: int) -> Network:
        """Return networks whose weights follow from the seed; the caller's random state stays as it is."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.build()

    def learn_openly(self, rows: Tensor, numbers: NDArray[np.int64], training: Training) -> NDArray[np.float64]:
        """Train on rows of bytes (N, P + 2) by maximum likelihood; return the share of each class."""
        from synthtrail.models.image_vae_objective import Bound  # noqa: PLC0415 - Lightning
        from synthtrail.models.likelihood import LikelihoodSchedule, maximise  # noqa: PLC0415 - Lightning

        s, facts = self.settings, self.facts
        schedule = LikelihoodSchedule(
            facts["steps"], facts["batch"], s.rate, ema=s.ema, check_every=s.check_every, patience=s.patience
        )
        self.network = self.fresh(training.seed)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(training.seed))
        held = max(1, min(MOST_HELD, round(len(rows) * HELD))) if len(rows) > 1 else 0
        objective = Bound(self.network, rows[order[held:]], rows[order[:held]] if held else rows)
        self.restore(maximise(objective, schedule, training, partial(self.shown, training.seed)))
        return shares(numbers, len(self.classes()))

    def learn_privately(self, rows: Tensor, numbers: NDArray[np.int64], training: Training) -> NDArray[np.float64]:
        """Train on rows of bytes (N, P + 2) by DP-SGD; return the noisy share of each class."""
        from synthtrail.models.dp_training import learn_privately, schedule_for  # noqa: PLC0415 - Lightning
        from synthtrail.models.image_vae_objective import BoundRows  # noqa: PLC0415 - Lightning

        asked = self.private
        assert asked is not None  # noqa: S101 - this is the way of the private ones
        few = asked.batch or min(MOST_AT_ONCE, max(256, len(rows) // 10))  # gradients of single images take memory
        planned = private_settings.plan(len(rows), replace(asked, batch=few))
        schedule = schedule_for(planned, asked)
        counts = noisy(np.bincount(numbers, minlength=len(self.classes())), schedule.rho).counts.clip(1)
        self.facts = planned | {"width": self.facts["width"], "noise": schedule.noise}
        self.network = self.fresh(training.seed)
        sample = partial(self.shown, training.seed)
        self.restore(learn_privately(BoundRows(self.network, rows), schedule, training, sample))
        self.facts |= {"audit": self.audited().to_json()}
        return np.asarray(counts / counts.sum())

    def audited(self) -> Audit:
        """Return what an attack proves of steps like the fit's, on images of nothing; `ModelError` if too much."""
        from synthtrail.models.dp_canaries import attack_steps  # noqa: PLC0415 - Lightning
        from synthtrail.models.dp_training import schedule_for  # noqa: PLC0415 - Lightning
        from synthtrail.models.image_vae_objective import BoundRows  # noqa: PLC0415 - Lightning

        asked, other, schema = self.private, type(self)(asdict(self.settings)), self.codec.schema
        if asked is None:
            raise ModelError(f"{self.name} without `epsilon` promises no differential privacy: nothing to audit")
        other.codec, other.facts = self.codec, {"width": AUDITED_WIDTH}
        shape = (AUDITED, schema.channels, schema.height, schema.width)
        noise = torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
        rows = packed(noise, torch.zeros(AUDITED, dtype=torch.int64))
        attack = attack_steps(BoundRows(other.fresh(0), rows), schedule_for(self.facts, asked))
        return audit([attack], asked.epsilon, asked.delta)

    def shown(self, seed: int, network: nn.Module) -> ImageSet:
        """Return what networks that still train make of the same classes and noise each time."""
        assert isinstance(network, Network)  # noqa: S101 - the average of our own network
        classes = torch.arange(min(len(self.classes()), MOST_CLASSES)).repeat_interleave(EACH)
        mine, self.network = self.network, network
        try:
            with torch.no_grad():
                return self.draw(classes, generator_for(seed, SHOWN), 0)
        finally:
            self.network = mine

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        codes = torch.randn(len(classes), self.settings.latent, generator=random)
        values = self.network.decode(codes, classes).sigmoid() * 2 - 1
        return self.codec.decode(values.contiguous().numpy(), classes.numpy(), first)

    def state(self) -> dict[str, Tensor]:
        """Return the weights of the decoder, which is all that drawing needs: the encoder has seen every image."""
        kept = ("first", "ups", "last")
        return {name: value for name, value in self.network.state_dict().items() if name.split(".")[0] in kept}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the weights of the decoder, or of both networks."""
        self.network = self.build()
        missing = self.network.load_state_dict(state, strict=False)
        if missing.unexpected_keys or any(name.split(".")[0] not in ("downs", "code") for name in missing.missing_keys):
            raise KeyError(f"weights {[*missing.unexpected_keys, *missing.missing_keys][0]}")
        self.network.eval()
