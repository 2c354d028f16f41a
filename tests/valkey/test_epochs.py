"""Whatever a server has forgotten, nobody takes its log for the one that stood there before.

Each test is one line of "what each database needs for the rule to hold".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from coatcheck.errors import Unavailable
from coatcheck.stores.base import SessionChange
from coatcheck.testing._rows import MANY_BYTES
from tests.servers.proxy import Proxy
from tests.servers.valkey import Valkey
from tests.servers.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coatcheck.core.coherence import LogPage
    from tests.valkey.sides import Side

    Connect = Callable[..., Side]

pytestmark = pytest.mark.processes


def grown(side: Side, entries: int = 3) -> LogPage:
    """Write entries into the log, and return what a worker knows that has read them all."""
    for number in range(entries):
        side.do("invalidate_user", f"user{number}")
    return side.poll()


def test_flushing_begins_a_new_epoch(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    known = grown(side)
    server.run_cli("FLUSHALL")
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch
    assert side.poll(page.cursor).resumed


def test_what_others_write_after_flushing_begins_it_too(server: Valkey, connect: Connect) -> None:
    """The new log soon reaches the position of the old one, and is still another one."""
    side, other = connect(server.url()), connect(server.url())
    known = grown(side)
    server.run_cli("FLUSHALL")
    later = grown(other, 5)
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch == later.epoch != known.epoch


def test_deleting_by_hand_what_stands_beside_the_log_forgets_every_session(server: Valkey, connect: Connect) -> None:
    """Rather than bring back those of a generation that has ended."""
    side = connect(server.url())
    token_hash, _ = side.added()
    side.do("revoke_everyone")
    later_hash, _ = side.added()
    known = side.poll()
    server.run_cli("DEL", "{coatcheck}:meta")
    side.do("invalidate_user", "ann")  # positions begin anew, before those of the log that is still there
    assert side.read(token_hash).record is None
    assert side.read(later_hash).record is None
    page = side.poll(known.cursor)
    assert not page.resumed
    assert len(side.poll().entries) == 1


def test_a_log_with_a_hole_is_another_one(server: Valkey, connect: Connect) -> None:
    """What somebody trimmed, or the server evicted, may have ended a session."""
    side = connect(server.url())
    known = grown(side)
    grown(side)
    server.run_cli("XTRIM", "{coatcheck}:log", "MAXLEN", "1")
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch
    assert page.floor == page.cursor.position
    grown(side)
    server.run_cli("DEL", "{coatcheck}:log")
    assert not side.poll(page.cursor).resumed


def test_restarting_empty_begins_a_new_epoch(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    known = grown(side)
    server.restart_empty()
    side.until_it_answers()
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch


def test_restarting_from_an_old_snapshot_begins_a_new_epoch(server: Valkey, connect: Connect) -> None:
    """It has the epoch of the log as it was, positions that will be used again, and sessions that were ended."""
    side = connect(server.url())
    token_hash, row = side.added()
    grown(side)
    old = server.snapshot()
    side.revoke(token_hash=token_hash)
    known = side.poll()
    server.restart_from(old)
    side.until_it_answers()
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch
    assert side.read(token_hash).record == row  # what the server forgot is forgotten
    assert side.read(token_hash).epoch == page.epoch


def test_positions_used_again_mislead_nobody(server: Valkey, connect: Connect) -> None:
    """The old snapshot's log reaches the old cursor before this worker polls again."""
    side, other = connect(server.url()), connect(server.url())
    grown(side)
    old = server.snapshot()
    known = grown(side, 2)
    server.restart_from(old)
    other.until_it_answers()
    grown(other, 6)
    page = side.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch


def test_scripts_are_loaded_again(server: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    token_hash, row = side.added()
    server.run_cli("SCRIPT", "FLUSH")
    assert side.read(token_hash).record == row
    side.do("save", SessionChange(row.id, {"a": 1}, (), MANY_BYTES))
    assert side.revoke(token_hash=token_hash)


@pytest.fixture
def replica(binary: str | None, server: Valkey) -> Iterator[Valkey]:
    with Valkey(binary, settings={"replicaof": f"127.0.0.1 {server.port}"}) as replica:
        until(lambda: "master_link_status:up" in replica.run_cli("INFO", "replication"), "the replica follows")
        yield replica


def followed(master: Valkey) -> None:
    """Return when the replica has everything; the link stays."""
    with master.client(single_connection_client=True) as client:
        client.set("marker", 1)
        assert client.wait(1, 20_000) == 1


def promoted(replica: Valkey) -> None:
    replica.run_cli("REPLICAOF", "NO", "ONE")


def follows(follower: Valkey, master: Valkey) -> None:
    follower.run_cli("REPLICAOF", "127.0.0.1", str(master.port))
    until(
        lambda: (
            "master_link_status:up" in follower.run_cli("INFO", "replication")
            and f"master_port:{master.port}" in follower.run_cli("INFO", "replication")
        ),
        "it follows",
    )


def test_a_replica_proves_nothing(server: Valkey, replica: Valkey, connect: Connect) -> None:
    side = connect(server.url())
    grown(side)
    followed(server)
    behind = connect(replica.url())
    for setting in ("yes", "no"):  # one that can be written to knows as little of what its master did
        replica.run_cli("CONFIG", "SET", "replica-read-only", setting)
        with pytest.raises(Unavailable, match="ReadOnlyError"):
            behind.poll()
    assert any("replica" in problem for problem in behind.do("problems"))


def test_promotion_that_loses_writes_begins_a_new_epoch(server: Valkey, replica: Valkey, connect: Connect) -> None:
    """The replica has the epoch, and a log that ends before the cursor and goes on differently."""
    side, other = connect(server.url()), connect(replica.url())
    grown(side)
    followed(server)
    replica.pause()
    known = grown(side, 2)
    server.kill()
    replica.resume()
    promoted(replica)
    grown(other, 4)
    page = other.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch


def test_who_is_master_again_after_another_has_a_new_epoch(server: Valkey, replica: Valkey, connect: Connect) -> None:
    """It never restarted, and nobody polled the other: only the promotion tells that entries may be missing."""
    side = connect(server.url())
    grown(side)
    followed(server)
    # The replica stops hearing its master, which goes on for a while.
    promoted(replica)
    known = grown(side, 2)
    with replica.client() as client:  # as another worker's changes would: the positions that were lost, used again
        for position in range(4, 9):
            client.xadd("{coatcheck}:log", {"s": "u:lost", "t": 1}, id=f"{position}-0")
        client.hset("{coatcheck}:meta", "position", 9)
    follows(server, replica)
    followed(replica)
    promoted(server)
    page = side.poll(known.cursor)
    assert page.epoch != known.epoch
    assert not page.resumed


def test_an_epoch_that_was_never_proven_is_not_proven_later(server: Valkey, replica: Valkey, connect: Connect) -> None:
    """The poll that noted the server was lost with it, and the replica has the epoch without a server."""
    side, other = connect(server.url()), connect(replica.url())
    side.do("invalidate_user", "ann")  # the first to write names the log, and knows nothing of the server
    followed(server)
    replica.pause()
    known = side.poll()
    server.kill()
    replica.resume()
    promoted(replica)
    page = other.poll(known.cursor)
    assert not page.resumed
    assert page.epoch != known.epoch


def test_a_reading_of_a_former_master_is_not_taken(server: Valkey, replica: Valkey, connect: Connect) -> None:
    """A connection may lead there still, while the polls' own has found the new one."""
    with Proxy(server.port) as proxy:
        side, other = connect(proxy.through(server.url())), connect(replica.url())
        token_hash, row = side.added()
        assert side.read(token_hash).record == row
        followed(server)
        promoted(replica)
        other.revoke(token_hash=token_hash)
        proxy.target = replica.port  # where new connections go
        side.renew_polls()
        side.poll()
        assert side.read(token_hash).record is None


def test_a_master_without_its_replicas_proves_nothing_if_polls_write(
    server: Valkey, replica: Valkey, connect: Connect
) -> None:
    server.run_cli("CONFIG", "SET", "min-replicas-to-write", "1")
    server.run_cli("CONFIG", "SET", "min-replicas-max-lag", "1")
    side, reader = connect(server.url(), poll_writes=True), connect(server.url())
    until(lambda: "good_slaves:1" in server.run_cli("INFO", "replication"), "the replica is good")
    known = side.poll()
    replica.kill()
    until(lambda: "good_slaves:0" in server.run_cli("INFO", "replication"), "the replica is missed")
    with pytest.raises(Unavailable, match="NOREPLICAS"):
        side.poll(known.cursor)
    assert reader.poll(known.cursor).resumed  # whose polls only read
