"""What one of the demo's processes is told."""

from __future__ import annotations

from dataclasses import dataclass

from coatcheck.demo.places import address, near


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Which of the two processes this is, and where they meet.

    Attributes:
        number: 1 or 2.
        host: The address both listen on.
        first_port: The port of process 1; process 2 has the next one.
        database: The path of the SQLite file.
    """

    number: int
    host: str
    first_port: int
    database: str

    @property
    def port(self) -> int:
        """The port of this process."""
        return self.first_port + self.number - 1

    @property
    def other_number(self) -> int:
        """The number of the other process."""
        return 3 - self.number

    @property
    def other_port(self) -> int:
        """The port of the other process."""
        return self.first_port + self.other_number - 1

    @property
    def tunnel(self) -> str:
        """The options of ssh that bring both ports to another machine."""
        target = near(self.host)
        return " ".join(f"-L {port}:{address(target, port)}" for port in (self.first_port, self.first_port + 1))
