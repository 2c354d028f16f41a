"""A process that redeems one ticket with many threads at once, and prints how many of them succeeded.

Arguments: the store's URL, and how many threads. It prints "ready", and reads the ticket from its standard input.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

from coatcheck import Sessions, Tickets


def main(url: str, threads: int) -> None:
    """Redeem."""
    with Sessions(url) as sessions, ThreadPoolExecutor(threads) as pool:
        tickets = Tickets(sessions, purpose="race", lifetime=timedelta(hours=1))
        barrier = Barrier(threads)

        def attempt(ticket: str) -> bool:
            barrier.wait()
            return tickets.redeem(ticket) is not None

        print("ready", flush=True)  # noqa: T201 - to whoever started it
        ticket = sys.stdin.readline().strip()
        print(sum(pool.map(attempt, [ticket] * threads)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
