"""The age identity with which the owner of a key opens what others encrypt to them.

It lies beside the key, as `bea.age` with mode 0600, and its public half stands on the key's card.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthtrail.handover.sealing import Identity


def identity_for(folder: Path, label: str) -> "Identity":
    """Return the identity that belongs to the key `label` in `folder`, made on first use."""
    from synthtrail.handover import sealing  # noqa: PLC0415 - the encryption library is an extra that few commands need

    return sealing.mint(folder, label)


def recipient_for(folder: Path, label: str) -> str:
    """Return what others encrypt to for the owner of the key `label`: `age1…`."""
    return identity_for(folder, label).recipient
