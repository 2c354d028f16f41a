# Generated from stores/valkey/async_store.py by tools/generate_sync.py: edit that, run `make generate`.
"""The Valkey store for threads. Generated from the asyncio side.

All keys share one hash tag, `{coatcheck}:...`, and each change is one script, which writes the log entry too. So in a
cluster, too, all of it stands on one master and its replicas: the sessions must fit into the memory of one, and a
second store with a prefix of its own is the way to use another.

What each key holds, with the generation as `g`:

    {coatcheck}:meta        epoch, server, position (the next), floor, generation, layout
    {coatcheck}:log         the stream of entries; `<position>-0` is the id of each
    {coatcheck}:audit       the stream of the audit trail; `<number>-0` is the id of each entry
    {coatcheck}:dead        generations whose keys are still to be removed
    {coatcheck}:o:<name>    that something is used up which may count once
    {coatcheck}:reports     what workers have told, by worker and minute; and :told, when they have
    {coatcheck}:probed      when the last probe was ordered
    {coatcheck}:g:s:<hash>  one session, by the hash of its token
    {coatcheck}:g:i:<id>    the hash of its token
    {coatcheck}:g:u:<user>  the ids of a user's sessions, by when they were created
    {coatcheck}:g:r:<hash>  one retired token: its session, its successor, the seal and the end of its grace
    {coatcheck}:g:p:<id>    the hashes of a session's retired tokens, the latest first
    {coatcheck}:g:d:<id>    the device that a session is bound to
    {coatcheck}:g:f:<id>    the ids of the sessions that end with a session
    {coatcheck}:g:a, g:e    the ids of all, by latest activity and by expiry
    {coatcheck}:g:q         the ids of what is no session but another kind of row, by expiry
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coatcheck.core.fleet import KEPT, PAUSE
from coatcheck.stores.base import Capabilities
from coatcheck.stores.valkey import rows, scripts
from coatcheck.stores.valkey.changes import ValkeyChanges
from coatcheck.stores.valkey.endings import ValkeyEndings

if TYPE_CHECKING:
    from coatcheck.core.fleet import WorkerRows


class ValkeyStore(ValkeyChanges, ValkeyEndings):
    """Sessions on a Valkey (7.2 or newer) or Redis (7.0 or newer) server, behind Sentinel, or in a cluster.

    Only what coatcheck does is in the log: a session that somebody ends with `DEL` may be accepted from memory for as
    long as copies are kept. What the server forgets, in a failover or a restart without persistence, is forgotten.
    """

    capabilities = Capabilities(
        transactions=False,
        exact_limits=True,
        listing=True,
        log=False,
        users_table=False,
        notices_changes=False,
        pushes_changes=True,
        retires=True,
        devices=True,
        impersonates=True,
        kinds=True,
        searching=True,
        audits=True,
        spends=True,
        numbers=True,
    )

    def spend(self, name: bytes, lifetime: int) -> bool:
        """Note that something is used up, for so many microseconds; False when it was already."""
        key = f"{self._meta_key.removesuffix('meta')}o:{name.hex()}"
        return self._wire.command(key, "SET", key, "1", "NX", "PX", max(lifetime // 1000, 1)) is not None

    def report(self, worker: str, report: str) -> bool:
        """Note what a worker tells of itself; returns whether it is to write the next probe."""
        return bool(self._run(scripts.REPORT, worker, report, PAUSE, KEPT))

    def probe(self) -> None:
        """Write a log entry that says when it was written."""
        self._run(scripts.PROBE)

    def reports(self) -> WorkerRows:
        """Read what all workers have told, and the time."""
        return rows.reports_of(self._run(scripts.REPORTS))
