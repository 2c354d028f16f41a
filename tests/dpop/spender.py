"""A process that presents one proof with many threads at once, and prints how many of them got in.

Arguments: the store's URL, and how many threads. It prints "ready", and reads from its standard input a line of JSON:
the proof, and the request that it is for.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from coatcheck import DPoP, Sessions
from coatcheck._sync.proofs import Proofs
from coatcheck.core.dpop.proofs import Asked
from coatcheck.core.jose.jwts import ProofRefused


def main(url: str, threads: int) -> None:
    """Present it."""
    with Sessions(url) as sessions, ThreadPoolExecutor(threads) as pool:
        proofs = Proofs(sessions, DPoP(origins=("https://api.example",)))
        barrier = Barrier(threads)

        def attempt(sent: dict[str, str]) -> bool:
            asked = Asked("GET", [sent["address"]], sent["token"].encode(), sent["thumbprint"])
            barrier.wait()
            try:
                proofs.check([sent["proof"].encode()], asked)
            except ProofRefused:
                return False
            return True

        print("ready", flush=True)  # noqa: T201 - to whoever started it
        sent = json.loads(sys.stdin.readline())
        print(sum(pool.map(attempt, [sent] * threads)))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
