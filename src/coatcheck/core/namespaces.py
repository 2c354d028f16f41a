"""Namespaces of cached values: whatever characters names and keys hold, no key of one reaches another's.

A full key is the lengths of namespace and tenant, both, and the key: two that differ in any of the three never agree.
The invalidation log names values by digests, because a key may be long, hold any character, or tell about somebody.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from typing import TYPE_CHECKING, NamedTuple

from coatcheck.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DIGEST = 18
_NO_TENANT = "-"


class Space(NamedTuple):
    """Where keys live: a name, and perhaps a tenant."""

    name: str = ""
    tenant: str | None = None

    @property
    def prefix(self) -> str:
        """What its full keys begin with.

        Raises:
            ConfigurationError: The name or the tenant is no text, or the tenant is empty.
        """
        name = _plain("a namespace", self.name)
        if self.tenant is None:
            return f"{len(name)}:{_NO_TENANT}:{name}"
        tenant = _tenant(self.tenant)
        return f"{len(name)}:{len(tenant)}:{name}{tenant}"

    def subject(self) -> str:
        """Return the subject of entries about all there is in it: with a tenant the tenant's, without everybody's."""
        if self.tenant is None:
            return _subject("n", _plain("a namespace", self.name))
        return _subject("m", self.prefix)


def key_subject(full_key: str) -> str:
    """Return the subject of entries about one value."""
    return _subject("k", full_key)


def tenant_subject(tenant: str) -> str:
    """Return the subject of entries about all values of a tenant.

    Raises:
        ConfigurationError: The tenant is no text, or empty.
    """
    return _subject("t", _tenant(tenant))


def subjects_of_key(full_key: str) -> Iterator[str]:
    """Yield what log entries may call a value: by its key, its namespace, and its tenant."""
    yield key_subject(full_key)
    length, tenant_length, rest = full_key.split(":", 2)
    end = int(length)
    yield Space(rest[:end]).subject()
    if tenant_length != _NO_TENANT:
        tenant = rest[end : end + int(tenant_length)]
        yield Space(rest[:end], tenant).subject()
        yield tenant_subject(tenant)


def octets(text: str) -> bytes:
    """Return any text as bytes, and no two as the same: halves of surrogate pairs too."""
    return text.encode("utf-8", "surrogatepass")


def _plain(what: str, text: object) -> str:
    """Return text as nothing but text: a member of an enumeration, say, may be written in another way than it is."""
    if not isinstance(text, str):
        msg = f"{what} of type {type(text).__name__} is not possible: use text"
        raise ConfigurationError(msg)
    return str.__str__(text)


def _tenant(tenant: object) -> str:
    """Refuse an empty one too, as of a variable that nobody has set: all would share it."""
    text = _plain("a tenant", tenant)
    if not text:
        msg = "tenant='' is not possible: name the tenant, or None for what belongs to no tenant"
        raise ConfigurationError(msg)
    return text


def _subject(kind: str, text: str) -> str:
    return f"{kind}:{urlsafe_b64encode(hashlib.sha256(octets(text)).digest()[:_DIGEST]).decode()}"
