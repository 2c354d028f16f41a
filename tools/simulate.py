"""Runs the simulated fleets with many seeds: `make simulate SEEDS=10000`, or one seed again with FIRST=… SEEDS=1.

With each seed there are two: one of sessions alone, and one with cached values beside them.
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.coherence.simulation import Simulation
from tests.coherence.value_simulation import ValueSimulation
from tests.coherence.virtual import Violated


def outcome(seed: int, *, told: bool) -> str | None:
    """Run one seed; returns what was wrong."""
    logging.disable(logging.CRITICAL)
    for simulation in (Simulation(seed), ValueSimulation(seed)):
        try:
            simulation.run()
        except Violated as violated:
            return str(violated)
        if told:
            print(*simulation.trace, sep="\n")
    return None


def main() -> int:
    """Run the seeds, tell how far it has come, and stop at the first that fails."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=1000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--jobs", type=int, default=None, help="how many processes; as many as there are processors")
    options = parser.parse_args()
    began = told = time.monotonic()
    seeds = range(options.first, options.first + options.seeds)
    with ProcessPoolExecutor(options.jobs) as pool:
        for done, wrong in enumerate(pool.map(partial(outcome, told=options.seeds == 1), seeds, chunksize=4), start=1):
            if wrong is not None:
                pool.shutdown(wait=False, cancel_futures=True)
                print(wrong, file=sys.stderr)
                return 1
            if time.monotonic() - told > 1 or done == options.seeds:
                told = time.monotonic()
                print(f"{done} of {options.seeds} seeds without a violation, {told - began:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
