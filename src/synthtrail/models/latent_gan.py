"""The GAN to win with on a CPU: a projection GAN whose noise is not arbitrary but follows the codes of the images.

Two trainings, one after the other, then one generator:

1. An autoencoder learns a code of Z numbers for each image (`latent_network`), and a mixture of normals learns where
   the codes of each class lie (`latent_mixture`). What the decoder makes of codes drawn from it is smooth, but of
   every kind that there is: reconstruction does not let a kind go, as adversarial training does.
   The decoder is never told the class: see `latent_network`.
2. The decoder goes on as the generator of a GAN with the hinge loss, spectral normalisation and a critic that projects
   on the class, as `projection_gan` has them, with augmentation for both where images are few, classes drawn more
   evenly and a moving average. It sharpens. Meanwhile it must still reconstruct the images from their codes
   (`fidelity`), so that what was learnt first stays. Images of more than `LARGE` pixels a side go without: their
   adversarial steps first spoil more than a CPU's minutes mend (docs/adr/0026); `steps` asks for them all the same.
   Instead they get the grain that the decoder leaves out (`image_texture`), and a class by networks that were taught
   to tell classes apart (`image_labels`).

Images that have no up and no left (`orientation: any`) are learnt from in all ways in which they can lie: eight times
as many, of rare classes too.

Larsen et al. 2016 (arXiv 1512.09300: an autoencoder's decoder before a critic), Ghosh et al. 2020 (arXiv 1903.12436:
the law of the codes fitted afterwards); see `projection_gan` for the rest. The encoder is thrown away, and the mixture
holds means of at least some twenty images. A model that is trained on (`more`) has no codes to reconstruct from, and
learns from the critic alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from synthtrail.data.image import ImageCodec, ImageSchema, ImageSet
from synthtrail.models import image_labels, image_turns, latent_mixture
from synthtrail.models.errors import ModelError
from synthtrail.models.gan import STEPS, WARM_UP, ConditionalGan
from synthtrail.models.image_colours import colours_of
from synthtrail.models.image_labels import MOST_CLASSES, Labeller
from synthtrail.models.image_layers import Plan
from synthtrail.models.image_texture import Texture
from synthtrail.models.kinds import OfImages
from synthtrail.models.latent_mixture import LatentMixture
from synthtrail.models.latent_network import Autoencoder, Encoder, LatentGenerator, lost
from synthtrail.models.objective import Objective, Schedule, generator_for
from synthtrail.models.projection_gan import PLENTY, Critic, Generator, HingeObjective
from synthtrail.models.state import under
from synthtrail.models.synthesizer import Training
from synthtrail.models.threads import threads

LABELLER = "labeller."  # before the names of its weights
LARGE = 40  # pixels a side from which on images cost so much that batches are smaller
GRAINS, MOST_GRAINS = 2**46, 5_000  # the random stream of the images whose texture is learnt, and at most how many


@dataclass(frozen=True)
class LatentGanSettings:
    """Settings of `LatentGan`; None follows from the images, see `chosen`.

    `code_steps` steps train the autoencoder, `label_steps` the networks of `image_labels`, `steps` the GAN. `latent`
    numbers make a code, to which training adds noise of deviation `jitter`; a class's codes have at most `parts`
    normals. With `orientation: any` images have no up and no left. `fidelity` weighs reconstruction beside the critic.
    A `batch` has at least two images. `augment`, `balance`, `critic_width` are those of `projection_gan`.
    """

    steps: int | None = None
    code_steps: int | None = None
    label_steps: int | None = None
    batch: int | None = None
    width: int = 16
    critic_width: int = 16
    latent: int | None = None
    parts: int = 20
    jitter: float = 0.1
    orientation: Literal["upright", "any"] = "upright"
    fidelity: float = 1.0
    code_rate: float = 0.002
    rate: float = 0.0003
    critic_rate: float = 0.0004
    augment: float | None = None
    balance: float = 0.5
    ema: float = 0.998


def chosen(settings: LatentGanSettings, schema: ImageSchema, images: int) -> dict[str, Any]:
    """Return steps, images in each, size of the codes and augmentation, where the settings leave them open.

    >>> chosen(LatentGanSettings(), ImageSchema(28, 28, 1, ("0", "1")), 60_000)
    {'steps': 1000, 'code_steps': 4000, 'label_steps': 0, 'batch': 64, 'latent': 32, 'augment': 0.0}
    >>> chosen(LatentGanSettings(), ImageSchema(64, 64, 3, ("0", "1")), 8_000)
    {'steps': 0, 'code_steps': 4500, 'label_steps': 1700, 'batch': 32, 'latent': 48, 'augment': 1.0}
    """
    large = max(schema.height, schema.width) > LARGE
    more = min(1.0, (images / 60_000) ** 0.4)
    adversarial = 0 if large else max(300, int(round(1_000 * more, -2)))
    coding = max(600, int(round((10_000 if large else 4_000) * more, -2)))
    named = large and 1 < len(schema.classes) <= MOST_CLASSES
    labelling = max(300, int(round(3_700 * more, -2))) if named else 0
    return {
        "steps": adversarial if settings.steps is None else settings.steps,
        "code_steps": settings.code_steps or coding,
        "label_steps": labelling if settings.label_steps is None else settings.label_steps,
        "batch": max(2, settings.batch or (32 if large else 64)),
        "latent": settings.latent or (48 if large else 32),
        "augment": settings.augment if settings.augment is not None else float(images < PLENTY),
    }


class LatentGan(OfImages, ConditionalGan[ImageSet, ImageCodec, LatentGanSettings]):
    """Good for labelled images of any shape from 28 to 128 pixels a side, grey or RGB, rare classes among them.

    Classifiers learn more from it after five minutes of a CPU than from `projection_gan` (docs/adr/0026). One device.
    """

    name: ClassVar[str] = "latent_gan"
    generator: LatentGenerator

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given)
        self.labeller: Labeller | None = None
        self._codes: Tensor | None = None  # of the training images in all ways (W, N, Z), while there is an encoder

    @classmethod
    def settings_class(cls) -> type[LatentGanSettings]:
        """Return the dataclass of the settings."""
        return LatentGanSettings

    def fit(self, data: ImageSet, codec: ImageCodec, training: Training) -> None:
        """Learn from training images (see `Synthesizer.fit`); `ModelError` for more than one device."""
        if training.devices > 1:
            raise ModelError(f"{self.name} learns on one device; set `devices: 1`")
        super().fit(data, codec, training)

    def learn_facts(self, data: ImageSet) -> tuple[Tensor, Tensor]:
        """Decide what the settings leave open; return the images (N, C, H, W) uint8 and their class numbers (N,)."""
        self.facts = {"plan": chosen(self.settings, self.codec.schema, len(data))}
        pixels, numbers = self.codec.stored(data)
        return torch.from_numpy(pixels), torch.from_numpy(numbers)

    def learn(self, data: ImageSet, training: Training) -> NDArray[np.float64]:
        """Train the autoencoder, fit the law of its codes, train the GAN; return the share of each class."""
        from synthtrail.models.latent_training import Coding  # noqa: PLC0415 - Lightning

        rows, classes = self.learn_facts(data)
        s, plan = self.settings, self.facts["plan"]
        fresh, told = self.autoencoder(training.seed), f"{s} {self.facts} {training.seed}"
        kept = Coding.of(fresh, self.untaught(training.seed), rows, classes, training, told)
        autoencoder, self.labeller = kept.trained(plan, s.code_rate, self.ways)
        turned = (image_turns.turned(rows, torch.tensor([way])) for way in range(self.ways))
        self._codes = torch.stack([autoencoder.codes(images) for images in turned])
        mixture = latent_mixture.fit(
            self._codes.flatten(0, 1),
            classes.repeat(self.ways),
            labels=len(self.classes()),
            parts=self.settings.parts,
            seed=training.seed,
            copies=self.ways,
        )
        texture = self.grain(autoencoder, rows, training.seed)
        start = LatentGenerator(autoencoder.decoder, mixture, texture).state_dict()
        finish = self.sharpened if self.facts["plan"]["steps"] else self.as_it_is
        try:
            shares = finish(rows, classes, training, start)
        finally:
            self._codes = None
        kept.discard()
        return shares

    def learn_rows(
        self,
        rows: Tensor,
        classes: Tensor,
        training: Training,
        course: Schedule,
        start: Mapping[str, Tensor] | None = None,
    ) -> NDArray[np.float64]:
        """Train the GAN (see `ConditionalGan.learn_rows`); of a whole state as `start` the labeller stays as it is."""
        if start is not None:
            start = {name: value for name, value in start.items() if not name.startswith(LABELLER)}
        return super().learn_rows(rows, classes, training, course, start)

    def sharpened(
        self, rows: Tensor, classes: Tensor, training: Training, start: Mapping[str, Tensor]
    ) -> NDArray[np.float64]:
        """Train the GAN from `start`; return the share of each class."""
        return self.learn_rows(rows, classes, training, self.schedule(), start)

    def as_it_is(
        self, rows: Tensor, classes: Tensor, training: Training, start: Mapping[str, Tensor]
    ) -> NDArray[np.float64]:
        """Take `start` for the generator, without a GAN; return the share of each class."""
        objective = self.fresh(rows, classes, training.seed, self.schedule())
        self.generator.load_state_dict(start)
        with threads(1):
            objective.settle(self.generator)
        self.generator.eval()
        self.facts = {**self.facts, STEPS: [0]}
        counts = np.bincount(classes.numpy(), minlength=len(self.classes()))
        training.samples.draw(1, 1, self.shown(self.generator, counts, training.seed))
        return np.asarray(counts / counts.sum())

    def grain(self, autoencoder: Autoencoder, rows: Tensor, seed: int) -> Texture | None:
        """Return the law of what the decoder leaves out of the images in their ways; None where a GAN will sharpen."""
        texture = self.texture()
        if texture is not None and self._codes is not None:
            random = generator_for(seed, GRAINS)
            at = torch.randperm(len(rows), generator=random)[:MOST_GRAINS]
            way = torch.randint(self.ways, (len(at),), generator=random)
            codes = self._codes[way, at]
            with threads(1):
                texture.fit(autoencoder.left_out(image_turns.turned(rows[at], way), codes), codes)
        return texture

    def texture(self) -> Texture | None:
        """Return an empty texture, None where a GAN sharpens."""
        schema, plan = self.codec.schema, self.facts["plan"]
        return None if plan["steps"] else Texture(schema.channels, schema.height, schema.width, plan["latent"])

    def settle(self, rows: Tensor, classes: Tensor, seed: int) -> None:
        """What a critic has sharpened gets no texture any more."""
        if self.generator.texture is not None:
            self.generator.texture.share.zero_()

    @property
    def ways(self) -> int:
        """In how many ways images are learnt from (`image_turns`)."""
        schema = self.codec.schema
        return image_turns.ways(schema.height, schema.width) if self.settings.orientation == "any" else 1

    def shape(self) -> tuple[Plan, int]:
        """Return how images of this size are built, and their channels."""
        schema = self.codec.schema
        return Plan.of(schema.height, schema.width), schema.channels

    def autoencoder(self, seed: int) -> Autoencoder:
        """Return a fresh autoencoder; the caller's random state stays as it is."""
        s, latent = self.settings, self.facts["plan"]["latent"]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            encoder = Encoder(*self.shape(), s.width, latent)
            return Autoencoder(encoder, self.decoder(), s.jitter)

    def decoder(self) -> Generator:
        """Return a fresh decoder."""
        return Generator(*self.shape(), self.settings.width, self.facts["plan"]["latent"], 1)

    def build(self) -> nn.Module:
        """Return a fresh generator."""
        mixture = LatentMixture(len(self.classes()), self.settings.parts, self.facts["plan"]["latent"])
        return LatentGenerator(self.decoder(), mixture, self.texture())

    def objective(self, rows: Tensor, classes: Tensor) -> Objective:
        """Return the GAN objective."""
        s, plan = self.settings, self.facts["plan"]
        critic = Critic(*self.shape(), s.critic_width, len(self.classes()))
        objective = FaithfulObjective(
            self.generator,
            critic,
            rows,
            classes,
            noise=plan["latent"] + 1,
            balance=min(1.0, s.balance),
            augment=plan["augment"],
        )
        objective.ways = self.ways
        if self._codes is not None:
            objective.remember(self._codes, s.fidelity, s.jitter)
        return objective

    def schedule(self) -> Schedule:
        """Return the schedule of the GAN."""
        s, plan = self.settings, self.facts["plan"]
        return Schedule(
            plan["steps"],
            plan["batch"],
            s.rate,
            s.critic_rate,
            betas=(0.5, 0.99),
            ema=s.ema,
            warm_up=WARM_UP,  # a fresh critic has nothing to teach a decoder that makes images already
        )

    def untaught(self, seed: int) -> Labeller | None:
        """Return a fresh labeller, None where there is to be none."""
        schema = self.codec.schema
        if not self.facts["plan"].get("label_steps"):
            return None
        return image_labels.fresh(
            schema.channels, max(schema.height, schema.width), len(schema.classes), self.ways, seed
        )

    def draw(self, classes: Tensor, random: torch.Generator, first: int) -> ImageSet:
        """Make one image for each class."""
        if self.labeller is None:
            values = self.made(classes, random)
        else:
            values = image_labels.drawn(self.labeller, self.made, classes, random)
        return self.codec.decode(values.contiguous().numpy(), classes.numpy(), first)

    def made(self, classes: Tensor, random: torch.Generator) -> Tensor:
        """Return images (N, C, H, W) in [-1, 1] of these classes' codes."""
        noise = torch.randn(len(classes), self.facts["plan"]["latent"] + 1, generator=random)
        values: Tensor = self.generator.textured(noise, classes, random)
        return values

    def state(self) -> dict[str, Tensor]:
        """Return the generator's weights, and the labeller's."""
        told = {} if self.labeller is None else self.labeller.state_dict()
        return {**super().state(), **{f"{LABELLER}{name}": value for name, value in told.items()}}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take the weights."""
        super().restore({name: value for name, value in state.items() if not name.startswith(LABELLER)})
        self.labeller = self.untaught(0)
        if self.labeller is not None:
            self.labeller.load_state_dict(under(LABELLER, state))
            self.labeller.eval()


class FaithfulObjective(HingeObjective):
    """The hinge loss, beside which the decoder goes on reconstructing, as long as the images' codes are remembered."""

    generator: LatentGenerator
    codes: Tensor
    colours: Tensor
    fidelity = 0.0
    jitter = 0.0
    ways = 1

    def remember(self, codes: Tensor, fidelity: float, jitter: float) -> None:
        """Take the codes (W, N, Z) of the rows in all ways."""
        self.register_buffer("codes", codes, persistent=False)
        self.register_buffer("colours", colours_of(self.rows), persistent=False)
        self.fidelity, self.jitter = fidelity, jitter

    def generator_loss(self, size: int, random: torch.Generator) -> Tensor:
        """Return the negated mean judgement of generated images, plus what reconstructions lose of as many real."""
        judged = super().generator_loss(size, random)
        return judged if self.fidelity == 0 else judged + self.fidelity * self.unlike(size, random)

    def unlike(self, size: int, random: torch.Generator) -> Tensor:
        """Return what the decoder's images of jittered codes lose, in nats a pixel."""
        at = self.pick(size, random)
        way = torch.zeros_like(at)
        if self.ways > 1:
            way = torch.randint(self.ways, (size,), generator=random, device=at.device)
        codes = self.codes[way, at]
        codes = codes + self.jitter * torch.randn(codes.shape, generator=random, device=codes.device)
        return lost(self.generator.shades(codes), image_turns.turned(self.real(at), way), self.colours)

    def judged(self, images: Tensor, classes: Tensor, random: torch.Generator) -> Tensor:
        """Return the critic's judgement (B,), for which real and generated images are turned alike."""
        return super().judged(image_turns.at_random(images, self.ways, random), classes, random)
