"""The Lua scripts of this store, read from the files beside it.

What a script may do on a server that is short of something stands in its first line. Those that only read run always.
Those that end sessions, or keep them, also run when memory is full; those that bring something new do not. A script
with such a line is refused before it has done anything, so none is ever half done for want of memory.
"""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import NamedTuple

_FOLDER = files("coatcheck.stores.valkey") / "lua"

_READS = "#!lua flags=no-writes"
_WRITES = "#!lua"
_ALWAYS_WRITES = "#!lua flags=allow-oom"


class Script(NamedTuple):
    """One script.

    Attributes:
        text: What it does.
        sha: The name by which a server knows it once it has seen it.
        repeatable: Whether it makes no difference if it runs twice, when nobody knows whether it has run.
    """

    text: str
    sha: str
    repeatable: bool


def _part(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text(encoding="utf-8")


def _script(first_line: str, *names: str, repeatable: bool = False) -> Script:
    own = ("common",) if first_line == _READS else ("common", "changes")
    parts = [first_line, *map(_part, (*own, *names))]
    text = "\n".join(part for part in parts if part)
    return Script(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), repeatable)


READ = _script(_READS, "read", repeatable=True)
LIST = _script(_READS, "list", repeatable=True)
SEARCH = _script(_READS, "matching", "search", repeatable=True)
USERS_MATCHING = _script(_READS, "matching", "users_matching", repeatable=True)
CREATE = _script(_WRITES, "create")
SAVE = _script(_WRITES, "save")
RELOCATE = _script(_WRITES, "relocate")
TOUCH = _script(_ALWAYS_WRITES, "touch", repeatable=True)
ROTATE = _script(_ALWAYS_WRITES, "rotate")
RENEW = _script(_ALWAYS_WRITES, "renew", repeatable=True)
REUSE = _script(_ALWAYS_WRITES, "reuse")
BIND = _script(_WRITES, "bind")
CREATE_ACTING = _script(_WRITES, "create_acting")
ACTOR_SESSION = _script(_READS, "actor_session", repeatable=True)
DEVICE = _script(_READS, "device", repeatable=True)
SWAP_CHALLENGES = _script(_ALWAYS_WRITES, "swap_challenges")
REVOKE = _script(_ALWAYS_WRITES, "revoke")
REVOKE_EVERYONE = _script(_ALWAYS_WRITES, "revoke_everyone")
END_MATCHING = _script(_ALWAYS_WRITES, "matching", "end_matching")
AUDIT_RECORD = _script(_ALWAYS_WRITES, "audit_record")
AUDIT_ENTRIES = _script(_READS, "audit_entries", repeatable=True)
AUDIT_FORGET = _script(_ALWAYS_WRITES, "audit_forget")
NOTE = _script(_ALWAYS_WRITES, "note", repeatable=True)
REPORT = _script(_WRITES, "report", repeatable=True)
REPORTS = _script(_READS, "reports", repeatable=True)
PROBE = _script(_WRITES, "probe")
SWEEP = _script(_ALWAYS_WRITES, "sweep")
# Without a first line a script is judged by what it does: this one writes to a server it has not met yet.
POLL = _script("", "poll", repeatable=True)
# With one it counts as a write: a master that has too few replicas refuses it, and one whose memory is full does not.
POLL_WRITING = _script(_ALWAYS_WRITES, "poll", repeatable=True)
