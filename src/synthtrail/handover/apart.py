"""Encryption in a process of its own, so that hashing goes on beside it on another core.

The library keeps Python's lock while it encrypts: within one process, whoever hashes or writes waits for it. Here a
second interpreter does nothing but encrypt (`handover.apart_child`), between two rings of shared memory. What it is
given is what is hashed here, and what it gives is hashed and written here, byte for byte: it opens no file and holds no
secret. It takes some 30 ms to start, so it pays for long streams only.

    encrypt(blocks, recipients, out.write)
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.util import find_spec
from pathlib import Path

from synthtrail.handover.objects import StoreError
from synthtrail.handover.ring import BrokenRingError, Ring

WORTH = 24 << 20  # bytes from which on it pays: it costs 30 ms, and saves 1.5 ms a MiB on two cores
_BOOT = "import sys; sys.path += {paths!r}; from synthtrail.handover.apart_child import main; main(sys.argv[1:])"


def possible() -> bool:
    """Tell whether this system has what it takes."""
    return sys.platform == "linux" and bool(sys.executable)


def encrypt(plain: Iterable[bytes], recipients: Sequence[str], take: Callable[[memoryview], object]) -> None:
    """Encrypt the concatenation of `plain` to `recipients`, and have `take` see each block of ciphertext, in order.

    A block is valid only while `take` has it. Raises what `plain` or `take` raise, and `StoreError` if the other
    process dies.
    """
    with _started(recipients) as (child, given, made), _feeding(plain, given, child) as feeder:
        try:
            with closing(made.blocks()) as blocks:
                for block in blocks:
                    take(block)
        except BrokenRingError:
            feeder.join()
            raise feeder.fault or _ended(child) from None
    if feeder.fault is not None:
        raise feeder.fault


class _Feeder(threading.Thread):
    """Writes the plaintext into its ring; if that fails, the other process is ended, so that it finishes nothing."""

    def __init__(self, plain: Iterable[bytes], given: Ring, child: "subprocess.Popen[bytes]") -> None:
        super().__init__(daemon=True)
        self.plain, self.given, self.child = plain, given, child
        self.fault: BaseException | None = None

    def run(self) -> None:
        """Write all of it."""
        try:
            for block in self.plain:
                self.given.write(block)
            self.given.end()
        except BrokenRingError:
            pass  # whoever reads the ciphertext finds out why
        except BaseException as error:
            self.fault = error
            self.child.kill()


@contextmanager
def _feeding(plain: Iterable[bytes], given: Ring, child: "subprocess.Popen[bytes]") -> Iterator[_Feeder]:
    feeder = _Feeder(plain, given, child)
    feeder.start()
    try:
        yield feeder
    except BaseException:
        child.kill()  # nobody takes the ciphertext any more
        raise
    finally:
        feeder.join()


@contextmanager
def _started(recipients: Sequence[str]) -> Iterator[tuple["subprocess.Popen[bytes]", Ring, Ring]]:
    """Start the other process; it is gone when the block ends."""
    given, made = Ring.new(), Ring.new()
    numbers = (*given.descriptors, *made.descriptors)
    boot = _BOOT.format(paths=_paths())
    command = [sys.executable, "-I", "-S", "-c", boot, *map(str, numbers), *recipients]
    try:
        with subprocess.Popen(  # noqa: S603 - this interpreter, with a program of ours
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=numbers,
            process_group=0,  # Ctrl-C is for this process, which ends the other
        ) as child:
            given.take(writes=True)
            made.take(writes=False)
            try:
                yield child, given, made
            except BaseException:
                child.kill()
                raise
    finally:
        given.close()
        made.close()


def _paths() -> list[str]:
    """Where the other process finds this package and the library: nothing else of ours is loaded there."""
    found = [find_spec(name) for name in ("synthtrail", "pyrage")]
    origins = [Path(str(spec.origin)) for spec in found if spec is not None]
    return [str(origin.parent.parent) for origin in origins]


def _ended(child: "subprocess.Popen[bytes]") -> StoreError:
    """Return what is to be said of a process that ended before it had encrypted everything."""
    said = child.stderr.read().decode(errors="replace").strip().splitlines() if child.stderr else []
    why = said[-1][:160] if said else f"exit status {child.wait()}"
    return StoreError(f"the process that encrypts ended early ({why}); nothing was lost: run the same command again")
