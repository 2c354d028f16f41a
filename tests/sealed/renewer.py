"""A process that asks for one secret with many threads at once, and prints how often it renewed it, and what it got.

Arguments: the store's URL, the session's token, how many threads. It prints "ready", and begins when it reads a line.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from coatcheck import Sessions
from coatcheck.sealed import SealedSlots, Secret

KEY = "jlBzMsjr2CmMnvT6iHrqz0EKnZrYW0UPcwXyJzVOoSM"


def main(url: str, token: str, threads: int) -> None:
    """Ask."""
    with Sessions(url, keys=[KEY]) as sessions, ThreadPoolExecutor(threads) as pool:
        slots, renewals = SealedSlots(sessions), list[str]()
        session = sessions.get(token)
        barrier = Barrier(threads)

        def renew(old: Secret) -> Secret:
            renewals.append(old.reveal())
            return Secret(f"{old.reveal()}+", sessions.now() + timedelta(hours=1))

        def attempt(_: int) -> str:
            barrier.wait()
            secret = slots.fresh(session, "google", renew) if session else None
            return secret.reveal() if secret else ""

        print("ready", flush=True)  # noqa: T201 - to whoever started it
        sys.stdin.readline()
        got = set(pool.map(attempt, range(threads)))
        print(json.dumps([len(renewals), *got]))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
