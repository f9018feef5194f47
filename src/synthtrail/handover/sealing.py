"""Encryption of what leaves the custodian's disk: age v1 (C2SP age-encryption), an X25519 identity for each artifact.

    identities/<artifact>.age     AGE-SECRET-KEY-1…, mode 0600, in the key store: never in git, never in a store

`age -d -i identities/<artifact>.age 00000.age | tar x` opens a sealed object without this program. Whoever destroys the
identity has made every copy of the ciphertext unreadable: that is how a stored artifact is disposed of in places that
cannot be reached any more.

Everything is a stream in constant memory. A short one is encrypted in this process, while one thread reads ahead and
another writes; a long one in a process of its own (`handover.apart`), so that on two cores the encryption is the limit.

    >>> import io
    >>> identity = Identity.generate("ab" * 32)
    >>> sealed = io.BytesIO()
    >>> ciphertext = seal([b"a row of ", b"numbers"], sealed, [identity.recipient])
    >>> ciphertext == Ciphertext(sha256(sealed.getvalue()).hexdigest(), len(sealed.getvalue()))
    True
    >>> opened = io.BytesIO()
    >>> unseal(io.BytesIO(sealed.getvalue()), opened, identity)
    >>> opened.getvalue()
    b'a row of numbers'
"""

import importlib
import io
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from synthtrail.custody.errors import DataError, UsageError
from synthtrail.handover import apart
from synthtrail.handover.background import Background, ahead, brisk
from synthtrail.storage.files import write_bytes

METHOD = "age v1, X25519"
BLOCK = 1 << 18  # bytes handed from thread to thread


class SealError(DataError):
    """Ciphertext that this identity does not open, or that was changed."""

    code = "sealed"


class Writer(Protocol):
    """Where plaintext goes."""

    def write(self, data: bytes, /) -> object:
        """Take `data`."""


class Sink(Protocol):
    """Where ciphertext goes."""

    def write(self, data: bytes | memoryview, /) -> object:
        """Take `data`, which may be gone when this returns."""


class Reader(Protocol):
    """Where ciphertext comes from."""

    def read(self, count: int = -1, /) -> bytes:
        """Return at most `count` bytes, none at the end."""


@dataclass(frozen=True)
class Ciphertext:
    """What was written: digest in hex (SHA-256 unless another was asked for) and size in bytes of the sealed object."""

    digest: str
    size: int


class Hash(Protocol):
    """What `hashlib` and its like give."""

    def update(self, data: bytes | memoryview, /) -> object:
        """Take `data`."""

    def hexdigest(self) -> str:
        """Return the digest of everything taken."""


@dataclass(frozen=True)
class Identity:
    """The age identity of one artifact. Its text never reaches a log: it is left out of `repr`."""

    artifact: str
    secret: Any

    def __repr__(self) -> str:
        return f"Identity({self.artifact[:16]}…)"

    @property
    def recipient(self) -> str:
        """The public half: `age1…`."""
        return str(self.secret.to_public())

    @property
    def text(self) -> str:
        """The secret half, for the key store alone."""
        return str(self.secret)

    @classmethod
    def generate(cls, artifact: str) -> "Identity":
        """Return a new identity for the artifact with this digest."""
        return cls(artifact, _age().x25519.Identity.generate())


def identity_of(folder: Path, artifact: str) -> Identity:
    """Return the identity of `artifact` in the key store's `folder`; raise `UsageError` if it is not there, or open."""
    path = identity_path(folder, artifact)
    if not path.exists():
        raise UsageError(f"{path}: no such identity; it was destroyed, or the artifact was stored from another machine")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise UsageError(f"{path} has mode {mode:04o}, so others may read it; chmod 600 {path}")
    lines = [line for line in path.read_text(encoding="ascii").splitlines() if line and not line.startswith("#")]
    try:
        return parse_identity(lines[0] if len(lines) == 1 else "", artifact)
    except SealError:
        raise UsageError(f"{path}: not an age identity; bring it back from a backup of the key store") from None


def parse_identity(text: str, artifact: str = "") -> Identity:
    """Return the identity that `text` (`AGE-SECRET-KEY-1…`) is; raise `SealError` if it is none."""
    age = _age()
    try:
        return Identity(artifact, age.x25519.Identity.from_str(text))
    except (ValueError, age.IdentityError):
        raise SealError("not an age identity") from None


def mint(folder: Path, artifact: str) -> Identity:
    """Return the identity of `artifact`, made on first use."""
    path = identity_path(folder, artifact)
    if path.exists():
        return identity_of(folder, artifact)
    identity = Identity.generate(artifact)
    text = f"# artifact {artifact}\n# public key: {identity.recipient}\n{identity.text}\n"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_bytes(path, text.encode(), mode=0o600)
    return identity


def identity_path(folder: Path, artifact: str) -> Path:
    """Where the identity of the artifact with this digest lies."""
    return folder / f"{artifact}.age"


def seal(
    plain: Iterable[bytes],
    out: Sink,
    recipients: Sequence[str],
    *,
    size: int = 0,
    hashing: Callable[[], Hash] = sha256,
) -> Ciphertext:
    """Encrypt the concatenation of `plain` to `recipients` (`age1…`), write it to `out`; return what was written.

    `size` says how many bytes `plain` will give, if that is known: from `apart.WORTH` on, another process encrypts.
    Raises `SealError` for a recipient that is none, and whatever `plain` or `out` raise.
    """
    age = _age()
    try:
        keys = [age.x25519.Recipient.from_str(recipient) for recipient in recipients]
    except (ValueError, age.RecipientError):
        raise SealError(f"not an age recipient: {recipients}") from None
    state, written = hashing(), 0

    def take(block: bytes | memoryview) -> None:
        nonlocal written
        state.update(block)
        out.write(block)
        written += len(block)

    if size >= apart.WORTH and apart.possible():
        apart.encrypt(plain, recipients, take)
    else:
        _encrypt_here(plain, keys, take)
    return Ciphertext(state.hexdigest(), written)


def _encrypt_here(plain: Iterable[bytes], keys: Sequence[Any], take: Callable[[bytes], None]) -> None:
    """Encrypt in this process, beside a thread that reads ahead and one that has `take` see the ciphertext."""
    age = _age()
    with brisk(), Background(take) as writing, ahead(plain) as blocks:
        source, target = _Source(blocks), _Blocks(writing.put)
        try:
            age.encrypt_io(source, target, keys)
        except (age.EncryptError, OSError) as error:
            raise source.fault or writing.fault or SealError(f"encryption failed: {error}") from None
        target.flush()
    if source.fault is not None:  # the library takes an exception for the end of its input
        raise source.fault


def unseal(sealed: Reader, out: Writer, identity: Identity) -> None:
    """Decrypt `sealed` to `out`; raise `SealError` if it is not for this identity, or not what was written.

    What reached `out` before an error is authentic but incomplete: give a temporary file, and drop it.
    """
    age, source = _age(), _Guarded(sealed)
    try:
        age.decrypt_io(source, out, [identity.secret])
    except (age.DecryptError, OSError) as error:
        raise source.fault or _explained(error, identity) from None
    if source.fault is not None:
        raise source.fault


def blake3() -> Hash:
    """Return a new BLAKE3 state: a digest that costs a quarter of SHA-256, for ciphertext."""
    found: Hash = _extra("blake3").blake3()
    return found


def _age() -> Any:
    """Return the library, which only those need who encrypt or decrypt."""
    return _extra("pyrage")


def _extra(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError:
        raise UsageError(f"encryption needs an extra ({module}): pip install 'synthtrail[store]'") from None


def _explained(error: Exception, identity: Identity) -> Exception:
    if isinstance(error, OSError) and error.errno is not None:
        return error  # the disk, not the data
    return SealError(f"not sealed for artifact {identity.artifact[:16]}…, or changed since: {str(error)[:120]}")


class _Source:
    """Blocks as a file to read; remembers what went wrong, since the library does not hand it on."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.blocks = blocks
        self.rest = io.BytesIO()
        self.fault: BaseException | None = None

    def read(self, count: int = -1) -> bytes:
        """Return at most `count` bytes, none at the end."""
        found = self.rest.read(count)
        while not found:
            try:
                block = next(self.blocks, None)
            except BaseException as error:
                self.fault = error
                raise
            if block is None:
                return b""
            self.rest = io.BytesIO(block)
            found = self.rest.read(count)
        return found


class _Guarded:
    """A reader that remembers what went wrong."""

    def __init__(self, inner: Reader) -> None:
        self.inner = inner
        self.fault: BaseException | None = None

    def read(self, count: int = -1) -> bytes:
        """Return at most `count` bytes, none at the end."""
        try:
            return self.inner.read(count)
        except BaseException as error:
            self.fault = error
            raise


class _Blocks:
    """Gathers small writes into blocks, each copied once."""

    def __init__(self, put: Callable[[bytes], None]) -> None:
        self.put = put
        self.waiting: list[bytes] = []
        self.size = 0

    def write(self, data: bytes) -> int:
        """Take `data`; hand on what makes a whole block."""
        self.waiting.append(data)
        self.size += len(data)
        if self.size >= BLOCK:
            self.flush()
        return len(data)

    def flush(self) -> None:
        """Hand on what waits."""
        if self.waiting:
            self.put(b"".join(self.waiting))
            self.waiting, self.size = [], 0
