"""Networks that say which class an image is of, by which a generator is corrected.

A decoder of codes makes images of every kind, but of which class one is, it says less well than a network that was
taught just that, by real images changed anew each time (`synthtrail.data.augment`). So images are drawn from the codes
of all classes evenly, each gets its class from these networks by chance, in the proportions that they give, and is kept
if that class is still wanted:

    p(image | class)  ~  p(class | image), as the networks say  *  p(image), as the codes say

With F = `WIDTH` features, images (B, C, H, W) in [-1, 1], standardised by channel:

    -> 3x3 convolution (F; of more than 40 pixels with stride 2), then until 7 pixels or fewer are left: 3x3 convolution
       with stride 2, 3x3 convolution (2F, then 4F); each with batch normalisation and ReLU
    -> the maximum over each quarter -> features (B, `FEATURES`) -> logits (B, L)

`NETWORKS` of them see the image in up to `VIEWS` ways (`image_turns`); the mean of all logarithms counts.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from synthtrail.models import image_turns
from synthtrail.models.image_layers import last, lay_out
from synthtrail.models.objective import generator_for

NETWORKS, WIDTH, FEATURES = 2, 24, 96
SMALL, LARGE = 7, 40  # pixels a side: at which halving stops, and above which the first convolution halves too
VIEWS = (0, 3, 4)  # ways in which an image that has no up is looked at
MOST_CLASSES = 20  # of more, images that are drawn evenly hold too few of one
STREAM = 2**47  # the random stream of fresh weights
ROUNDS, FEWEST, MOST = 100, 64, 500  # draws until what is wanted is there; images in one

Make = Callable[[Tensor, torch.Generator], Tensor]
"""Takes class numbers (B,) and returns images (B, C, H, W) of their codes."""


class Labeller(nn.Module):
    """Images (B, C, H, W) in [-1, 1] -> the logarithm of each class's probability (B, L), classes equally likely."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int, side: int, classes: int, ways: int) -> None:
        super().__init__()
        self.labels = classes
        self.networks = nn.ModuleList(_network(channels, side, classes) for _ in range(NETWORKS))
        self.views = tuple(way for way in VIEWS if way < ways)
        self.register_buffer("mean", torch.zeros(1, channels, 1, 1))
        self.register_buffer("spread", torch.ones(1, channels, 1, 1))

    def standardise_by(self, rows: Tensor) -> None:
        """Take mean and deviation of each channel from images (N, C, H, W) uint8."""
        for channel in range(rows.shape[1]):
            levels = torch.bincount(rows[:, channel].flatten().int(), minlength=256).double()
            shades = torch.linspace(-1, 1, 256, dtype=torch.float64)
            mean = (levels * shades).sum() / levels.sum()
            self.mean[0, channel] = mean
            self.spread[0, channel] = ((levels * (shades - mean) ** 2).sum() / levels.sum()).sqrt().clamp(min=2 / 255)

    def said(self, number: int, images: Tensor) -> Tensor:
        """Return the logits (B, L) of one of the networks."""
        logits: Tensor = self.networks[number](last((images - self.mean) / self.spread))
        return logits

    def forward(self, images: Tensor) -> Tensor:
        """Return logarithms of probabilities, over all networks and ways to look."""
        seen = [image_turns.turned(images, torch.full((len(images),), way)) for way in self.views]
        said = [self.said(number, view).log_softmax(1) for number in range(len(self.networks)) for view in seen]
        return torch.stack(said).mean(0).log_softmax(1)


def drawn(labeller: Labeller, make: Make, classes: Tensor, random: torch.Generator) -> Tensor:
    """Return an image (N, C, H, W) for each of `classes` (N,), of all that `make` draws the first that are of it.

    What is still wanted after `ROUNDS` draws is made from the codes of its class.
    """
    waiting, found = torch.arange(len(classes)), torch.empty(0)
    for _ in range(ROUNDS):
        if not len(waiting):
            break
        size = min(MOST, max(FEWEST, 2 * len(waiting)))
        images = make(torch.randint(labeller.labels, (size,), generator=random), random)
        named = torch.multinomial(labeller(images).exp(), 1, generator=random).squeeze(1)
        found = found if len(found) else images.new_empty((len(classes), *images.shape[1:]))
        left = []
        for label in sorted(set(classes[waiting].tolist())):
            slots, there = waiting[classes[waiting] == label], torch.nonzero(named == label).squeeze(1)
            found[slots[: len(there)]] = images[there[: len(slots)]]
            left.append(slots[len(there) :])
        waiting = torch.cat(left).sort().values
    if len(waiting):
        found[waiting] = make(classes[waiting], random)
    return found


def fresh(channels: int, side: int, classes: int, ways: int, seed: int) -> Labeller:
    """Return an untrained labeller; the caller's random state stays as it is."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(generator_for(seed, STREAM).initial_seed())
        labeller = Labeller(channels, side, classes, ways)
    lay_out(labeller)
    return labeller


# Built like `evaluation.classifier`, said again: sharing it would make `validate` run anew whenever models change.
def _network(channels: int, side: int, classes: int) -> nn.Sequential:
    stride, width = 1 if side <= LARGE else 2, WIDTH
    layers, side = [*_block(channels, width, stride)], -(-side // stride)
    while side > SMALL:
        wider = min(2 * width, 4 * WIDTH)
        layers += [*_block(width, wider, 2), *_block(wider, wider, 1)]
        side, width = -(-side // 2), wider
    quarters = min(2, side)
    layers += [nn.AdaptiveMaxPool2d(quarters), nn.Flatten(), nn.Linear(width * quarters**2, FEATURES), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(FEATURES, classes))


def _block(inputs: int, outputs: int, stride: int) -> tuple[nn.Module, ...]:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)
