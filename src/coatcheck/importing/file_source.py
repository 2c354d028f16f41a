"""Sessions that Litestar keeps in files, each named by a digest of its token and written as MessagePack."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from coatcheck.core.refusals import refuse
from coatcheck.errors import Unavailable
from coatcheck.importing.found import Stored
from coatcheck.importing.readers import needs_msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME: Final = re.compile(r"[0-9a-f]{64}")


class FileSource:
    """A folder of Litestar's `FileStore`. What was taken is marked in a folder beside it: in it, Litestar reads all."""

    def __init__(self, folder: str) -> None:
        """Look whether it is there.

        Raises:
            ConfigurationError: It is no folder, or msgspec is missing.
        """
        self._folder = Path(folder)
        if not self._folder.is_dir():
            refuse("--from", folder, "name the folder of the FileStore with the sessions, or a URL such as redis://…")
        self._marks = self._folder.with_name(f"{self._folder.resolve().name}.coatcheck-imported")
        self._msgspec = needs_msgspec()

    def stored(self, batch: int) -> Iterator[Stored]:  # noqa: ARG002 - a file at a time
        """Yield what is there; a file that is gone when it is its turn is no session any more."""
        for path in sorted(self._folder.iterdir()):
            if _NAME.fullmatch(path.name) and (found := self._read(path)) is not None:
                yield found

    def _read(self, path: Path) -> Stored | None:
        try:
            content: Any = self._msgspec.msgpack.decode(path.read_bytes())
            ends, value = content["expires_at"], content["data"]
        except FileNotFoundError:
            return None
        except OSError as error:
            msg = f"{path.parent} cannot be read: {error.strerror}"
            raise Unavailable(msg) from error
        except (ValueError, KeyError, TypeError):
            ends, value = None, b""
        known = ends if isinstance(ends, datetime) and ends.tzinfo is not None else None
        return Stored(path.name, value if isinstance(value, bytes) else b"", known, bytes.fromhex(path.name))

    def is_taken(self, stored: Stored) -> bool:
        """Tell whether this session was taken before."""
        return (self._marks / stored.mark).exists()

    def take(self, stored: Stored) -> bool:
        """Mark a session as taken; False if it is already."""
        try:
            self._marks.mkdir(mode=0o700, exist_ok=True)
            (self._marks / stored.mark).touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            return False
        except OSError as error:
            msg = f"{self._marks} cannot be written, where it is noted what was imported: {error.strerror}"
            raise Unavailable(msg) from error
        return True

    def give_back(self, stored: Stored) -> None:
        """Take the mark away again."""
        (self._marks / stored.mark).unlink(missing_ok=True)

    def close(self) -> None:
        """Do nothing: no file stays open."""
