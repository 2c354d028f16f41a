"""How a wrong setting is refused: the setting, its value and the fix, and never a secret."""

from __future__ import annotations

import re
from typing import Final, NoReturn

from coatcheck.errors import ConfigurationError

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_HOST: Final = r"(?:[A-Za-z0-9._-]*|\[[0-9A-Fa-f:.%]+\])(?::[0-9]{1,5})?"
_HOSTS: Final = re.compile(rf"{_HOST}(?:,{_HOST})*")
_HIDDEN: Final = "***"


class Refusal(ConfigurationError):
    """A setting that cannot be, in parts, so that whoever knows where it was written can say that instead.

    Attributes:
        setting: Its name.
        problem: What is wrong; it has the value unless that is a secret.
        fix: What to do.
        of: What it belongs to, where its name alone does not say it.
    """

    def __init__(self, setting: str, problem: str, fix: str, of: str = "") -> None:
        """Keep the parts, and say them in one line."""
        super().__init__(f"{of} {setting}{problem}: {fix}".lstrip())
        self.setting = setting
        self.problem = problem
        self.fix = fix
        self.of = of

    def __reduce__(self) -> tuple[type[Refusal], tuple[str, str, str, str]]:
        """Be made of the parts again, in another process too."""
        return Refusal, (self.setting, self.problem, self.fix, self.of)


def refuse(setting: str, value: object, fix: str, *, of: str = "") -> NoReturn:
    """Refuse the value of a setting: "setting=value is not possible: fix".

    Args:
        setting: The setting's name.
        value: Its value, which is shown: hand in a `redacted_url`, and no key or password.
        fix: What to do.
        of: What the setting belongs to, as "cookie", where its name alone does not say it.
    """
    shown = repr(value) if isinstance(value, str) else str(value)
    raise Refusal(setting, f"={shown} is not possible", fix, of)


def refuse_secret(setting: str, problem: str, fix: str) -> NoReturn:
    """Refuse a setting whose value is a secret: "setting problem: fix"."""
    raise Refusal(setting, f" {problem}", fix)


def redacted_url(url: str) -> str:
    """Return what may be shown of a URL: scheme, hosts and path, but no user, password or parameter.

    What does not look like a host is not shown either: a password with an unescaped "@" or "/" in it can make
    anything of a URL.
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return _HIDDEN
    user, at, rest = rest.rpartition("@")
    place = rest.partition("?")[0].partition("#")[0]
    hosts, slash, path = place.partition("/")
    if not _HOSTS.fullmatch(hosts) or "?" in user or "/" in user:
        return f"{scheme}://{_HIDDEN}"
    return f"{scheme}://{_HIDDEN + at if at else ''}{hosts}{slash}{path}"
