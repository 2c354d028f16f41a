"""Put every parser of what clients send under fire: `make fuzz SECONDS=600`, or `python -m tools.fuzz 600 cookies`.

Hypothesis makes the samples, from another seed for each batch. With `--coverage` atheris (libFuzzer) makes them, and
looks for code that none has reached before; it is not among the requirements: `pip install atheris`.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import traceback
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import hypothesis

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.fuzz.target import Target

_BATCH = 100
_ROUNDS = 25
_LENGTH = 32_768
_WORST = 2.5
"""How many times as long twice the octets may take, by rule C9."""


def by_hypothesis(target: Target, check: Callable[[Any], None], seconds: float) -> int:
    """Send samples for so many seconds; returns how many."""
    from tests.fuzz.target import attack  # noqa: PLC0415 - after the coverage has been set up, where it is wanted

    samples, end = 0, time.monotonic() + seconds

    def counted(sample: Any) -> None:
        nonlocal samples
        samples += 1
        check(sample)

    while time.monotonic() < end:
        hypothesis.seed(time.time_ns())(attack(target, counted, max_examples=_BATCH, database=None))()
    return samples


def by_coverage(target: Target, check: Callable[[Any], None], seconds: float) -> NoReturn:
    """Let libFuzzer look for samples that reach new code; it ends the process."""
    atheris = import_module("atheris")  # which may not be there
    from tests.fuzz.target import attack  # noqa: PLC0415

    words = ["fuzz", f"-max_total_time={int(seconds)}", "-rss_limit_mb=1024", "-max_len=8192", "-timeout=10"]
    atheris.Setup([*words, "-print_final_stats=1", "-verbosity=0"], attack(target, check).hypothesis.fuzz_one_input)  # type: ignore[attr-defined]
    raise SystemExit(atheris.Fuzz())


def growth(target: Target) -> tuple[float, bytes]:
    """Return how many times as long the reader takes for twice the octets, for the worst of the pieces."""
    read = target.read
    if read is None:
        return 0, b""
    return max((_took(read, piece, 2 * _LENGTH) / _took(read, piece, _LENGTH), piece) for piece in target.pieces)


def _took(read: Callable[[bytes], object], piece: bytes, length: int) -> float:
    octets = piece * (length // len(piece))
    found = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter_ns()
        read(octets)
        found.append(time.perf_counter_ns() - begin)
    return min(found) or 1


def memory() -> float:
    """Return how many MiB of memory the process has."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def fuzz(target: Target, seconds: float, *, coverage: bool) -> bool:
    """Attack one target and say what came of it; returns whether every promise held."""
    print(f"{target.name:18}", end="", flush=True)
    with TemporaryDirectory() as folder, target.opened(Path(folder)) as check:
        before, begin = memory(), time.monotonic()
        try:
            if coverage:
                by_coverage(target, check, seconds)
            samples = by_hypothesis(target, check, seconds)
        except Exception:  # noqa: BLE001 - this is what is looked for
            print("BROKEN")
            traceback.print_exc()
            return False
        took = time.monotonic() - begin
        print(f"{took:5.0f} s  {samples:9,} samples  memory {before:4.0f} to {memory():4.0f} MiB", end="")
    if target.read is None:
        print()
        return True
    ratio, piece = growth(target)
    print(f"  twice the length takes {ratio:.1f} times as long at most ({piece!r})")
    return ratio < _WORST


def main(arguments: Sequence[str] | None = None) -> int:
    """Attack all targets, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seconds", type=float, nargs="?", default=60, help="for each parser")
    parser.add_argument("names", nargs="*", help="which parsers; all if none is named")
    parser.add_argument("--coverage", action="store_true", help="by atheris, one parser in each call")
    said = parser.parse_args(arguments)
    watching: AbstractContextManager[Any] = nullcontext()
    if said.coverage:
        watching = import_module("atheris").instrument_imports(include=["coatcheck"])
    with watching:
        from tests.fuzz.targets import TARGETS  # noqa: PLC0415
    names = {target.name for target in TARGETS}
    if unknown := set(said.names) - names:
        parser.error(f"there is no {', '.join(sorted(unknown))}; use some of {', '.join(sorted(names))}")
    chosen = [target for target in TARGETS if not said.names or target.name in said.names]
    held = [fuzz(target, said.seconds, coverage=said.coverage) for target in chosen]  # all of them
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
