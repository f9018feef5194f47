"""What table models ask of a codec: which column is the target, and what its classes are called."""

import numpy as np
import torch

from synthtrail.data.codec import TableCodec
from synthtrail.data.schema import NUMERIC


def target_index(codec: TableCodec) -> int | None:
    """Return the target's place among the columns, None without a target."""
    target = codec.schema.target
    return None if target is None else codec.schema.names.index(target)


def target_codes(codec: TableCodec) -> int:
    """Return the number of the target's codes, 1 without a target."""
    at = target_index(codec)
    return 1 if at is None else codec.cardinalities[at]


def class_names(codec: TableCodec) -> tuple[str, ...]:
    """Return the target's categories as texts, in the order of their codes; () if it is a number or absent."""
    at = target_index(codec)
    if at is None or codec.schema.columns[at].kind in NUMERIC:
        return ()
    return tuple(str(value) for value in codec.columns[at].values)


def row_rng(random: torch.Generator, first: int) -> np.random.Generator:
    """Return a numpy generator for decoding rows from number `first` on, seeded by what `random` draws next."""
    seed = int(torch.randint(2**31, (1,), generator=random))
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, first])))
