"""A worker process: signs in, validates and signs out when it is told to, and tells its numbers every second."""

from __future__ import annotations

import sys
from datetime import timedelta

from coatcheck import FleetNumbers, Sessions


def main(url: str) -> None:
    """Do one line of standard input after the other: a word, and how often."""
    with Sessions(url) as sessions, FleetNumbers(sessions, every=timedelta(seconds=1)):
        tokens = [sessions.create("ada").token]
        while not sessions.get(tokens[0]):
            pass
        for line in sys.stdin:
            word, times = line.split()
            for _ in range(int(times)):
                if word == "create":
                    tokens.append(sessions.create("ada").token)
                elif word == "revoke":
                    sessions.revoke(tokens.pop())
                elif not sessions.get(tokens[0]):
                    raise SystemExit("signed out")
            sys.stdout.write("done\n")
            sys.stdout.flush()


main(sys.argv[1])
