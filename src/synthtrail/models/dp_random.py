"""Secret randomness in bulk, for differentially private training: which rows a step takes, and its Gaussian noise.

A keystream (ChaCha20, RFC 8439) under a key from the operating system that is never told or kept; a published seed
would void the guarantee. Draws cannot be repeated.

*Which rows.* Every row has a chance of its own, told by a whole number out of 2^64: `rate` rounded down, so that what
is spent is never more than what is counted.

*Noise.* In floating point, unlike that of `dp_noise`: exact draws take microseconds each, and a training needs some
ten million. One Gaussian in floating point gives itself away by the numbers that it cannot be (Mironov 2012,
doi:10.1145/2382196.2382264). So each draw is the sum of four, over 2 (Holohan, Braghin 2021, arXiv 2107.10138), in
double precision, and what is made public of it is rounded to single. This makes the attack costly, and is no proof;
`private_terms` says so.

    >>> secret = Secret()
    >>> drawn = secret.gaussians(4000)
    >>> bool(abs(drawn.mean()) < 0.1), bool(0.9 < drawn.std() < 1.1)
    (True, True)
    >>> secret.picked(10, 1.0).tolist() == list(range(10)), len(secret.picked(10, 0.0))
    (True, 0)
"""

import secrets

import numpy as np
import torch
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SUMMED = 4  # Gaussians in one
WORD = 8  # bytes of a draw
LIMIT = 2**37  # bytes under one key; a block's counter has 32 bits and counts 64 bytes


class Secret:
    """A keystream of its own; two of them have nothing in common."""

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        key, nonce = secrets.token_bytes(32), bytes(4) + secrets.token_bytes(12)  # a counter from 0, then the nonce
        self._stream = Cipher(algorithms.ChaCha20(key, nonce), mode=None).encryptor()
        self._left = LIMIT

    def words(self, count: int) -> NDArray[np.uint64]:
        """Return `count` whole numbers below 2^64, each equally likely."""
        if count * WORD > self._left:
            self._renew()
        self._left -= count * WORD
        return np.frombuffer(self._stream.update(bytes(count * WORD)), dtype=np.uint64)

    def picked(self, rows: int, rate: float) -> NDArray[np.int64]:
        """Return the numbers of the rows picked, each with probability `rate`, whatever befalls the others."""
        if rate >= 1:
            return np.arange(rows, dtype=np.int64)
        return np.flatnonzero(self.words(rows) < np.uint64(int(rate * 2**64))).astype(np.int64)

    def gaussians(self, count: int) -> Floats:
        """Return `count` draws from the normal distribution of mean 0 and deviation 1."""
        pairs = (count * SUMMED + 1) // 2
        uniform = ((self.words(2 * pairs) >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
        size, angle = np.sqrt(-2 * np.log(uniform[:pairs])), 2 * np.pi * uniform[pairs:]
        drawn = np.concatenate([size * np.cos(angle), size * np.sin(angle)])[: count * SUMMED]
        return np.asarray(drawn.reshape(SUMMED, count).sum(0) / SUMMED**0.5)

    def generator(self, device: torch.device) -> torch.Generator:
        """Return a generator of torch's with a secret seed, for draws that protect nobody: what is hidden of a row."""
        return torch.Generator(device).manual_seed(int(self.words(1)[0] >> np.uint64(1)))
