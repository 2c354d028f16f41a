"""The demo's users: who they are, and whether a password is theirs."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coatcheck import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LONGEST_PASSWORD = 128
"""More characters than this are refused unread: hashing them would be work for nothing."""

_AT_ONCE = 2


class EmailTaken(Exception):
    """Another account has this address."""


class Users:
    """The users table, with passwords hashed by Argon2id.

    Everything here takes milliseconds, by design or by the disk, so it runs in threads.
    """

    def __init__(self, path: str, hasher: PasswordHasher | None = None) -> None:
        """Name the SQLite file."""
        self._path = path
        self._hasher = hasher or PasswordHasher()
        # Verified when nobody has the address, so that the answer takes as long as for somebody.
        self._nobody = self._hasher.hash(secrets.token_hex())
        # Each hash takes 64 MiB for a while: many sign-ins at once wait here.
        self._hashing = asyncio.Semaphore(_AT_ONCE)

    async def add(self, name: str, email: str, password: str) -> str:
        """Create an account and return its id.

        Raises:
            EmailTaken: Another account has this address.
        """
        user_id = secrets.token_hex(8)
        hashed = await self._hash(lambda: self._hasher.hash(password))
        statement = "INSERT INTO users (id, name, email, password_hash) VALUES (?, ?, ?, ?)"
        try:
            await self._run(statement, user_id, name, email, hashed)
        except sqlite3.IntegrityError:
            raise EmailTaken from None
        return user_id

    async def authenticate(self, email: str, password: str) -> str | None:
        """Return the id of the user whose address and password these are; the work is the same for unknown ones."""
        rows = await self._run("SELECT id, password_hash FROM users WHERE email = ?", email)
        user_id, hashed = rows[0] if rows else (None, self._nobody)
        return user_id if await self._matches(hashed, password) else None

    async def is_password_of(self, user_id: str, password: str) -> bool:
        """Tell whether a password is this user's."""
        rows = await self._run("SELECT password_hash FROM users WHERE id = ?", user_id)
        return await self._matches(rows[0][0] if rows else self._nobody, password)

    async def delete(self, user_id: str) -> None:
        """Delete an account; a trigger on the table ends its sessions in the same transaction."""
        await self._run("DELETE FROM users WHERE id = ?", user_id)

    async def _matches(self, hashed: str, password: str) -> bool:
        if len(password) > LONGEST_PASSWORD:
            return False
        return await self._hash(lambda: self._verify(hashed, password))

    def _verify(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _hash(self, work: Callable[[], T]) -> T:
        async with self._hashing:
            return await asyncio.to_thread(work)

    async def _run(self, statement: str, *parameters: str) -> list[tuple[str, ...]]:
        return await asyncio.to_thread(self._execute, statement, parameters)

    def _execute(self, statement: str, parameters: tuple[str, ...]) -> list[tuple[str, ...]]:
        try:
            with closing(sqlite3.connect(self._path)) as connection, connection:
                return connection.execute(statement, parameters).fetchall()
        except sqlite3.OperationalError as error:  # locked for too long, disk full, file gone
            raise Unavailable(f"the users table does not answer: {error}") from error
