"""What takes more than one statement, as batches: each is one transaction, and what has to hold is asked in it.

Where Python has to compute something from a row, the batch writes only if the row is still what was read; if it is not,
nothing has changed and the caller tries again.
"""

from __future__ import annotations

from secrets import token_bytes
from typing import TYPE_CHECKING, Any, NamedTuple

from coatcheck.core.authentication import acts_for_another
from coatcheck.core.fleet import KEPT, PAUSE
from coatcheck.core.session import Record
from coatcheck.core.successors import MOST_RETIRED
from coatcheck.errors import DataError
from coatcheck.stores.base import CreateResult, Full
from coatcheck.stores.operations import Statement, carried, given_times
from coatcheck.stores.searching import MANY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from coatcheck.stores.base import Device, NewSession, Renewal, Rotation, SessionChange, SessionFilter
    from coatcheck.stores.operations import Row

    Batch = Mapping[str, Statement]
    Answer = Mapping[str, Sequence[Row]]

_ALL = 1_000_000_000


class Order(NamedTuple):
    """A session to be created.

    Attributes:
        new: The session and its conditions.
        seen: The data of the visitor whose session it replaces, as they were read; None for none.
    """

    new: NewSession
    seen: str | None = None

    @property
    def carries(self) -> bool:
        """Whether the replaced session has to be as it was seen."""
        return self.new.replaces is not None and bool(self.new.carry_over)

    @property
    def refuses(self) -> bool:
        """Whether nothing is created when the limit is reached."""
        return self.new.limit is not None and self.new.when_full != "evict_oldest"


class Batches:
    """The batches of one configuration."""

    def __init__(self, text: Callable[[str], str], record: Callable[[Row], Record | None], *, users: bool) -> None:
        """Keep the texts of the statements by name, how a joined row becomes a record, and whether users are joined."""
        self._text = text
        self._record = record
        self._users = users

    def _statement(self, name: str, /, **parameters: Any) -> Statement:
        return Statement(self._text(name), parameters)

    # --- creating

    def replaced_data(self, new: NewSession) -> Statement:
        """Return what reads the data of the session to be replaced, if it is an anonymous visitor's."""
        return self._statement("replaced_data", replaces=new.replaces)

    def create(self, order: Order, now: int | None) -> Batch:
        """Insert, end the replaced session and those beyond the limit, read the row, and ask why if there is none."""
        new, seen = order
        record = carried(new, seen)
        limit = new.limit if order.refuses else None
        # With the token hash of the new one the replaced one cannot stand beside it; it gets its own back if it stays.
        moved = token_bytes(32) if new.replaces == new.token_hash else None
        replaces = moved or new.replaces
        conditions = {"limit": limit, "replaces": replaces, "carries": order.carries, "seen": seen}
        common = {"user_id": record.user_id, "kind": new.kind, "now": now}
        values = {**record._asdict(), "token_hash": new.token_hash, **conditions, **common}
        batch: dict[str, Statement] = {}
        if moved is not None:
            batch["moved"] = self._statement("move", **{"from": new.replaces, "to": moved})
        batch["inserted"] = self._statement("insert_as_seen", **values)
        if replaces is not None:
            batch["replaced"] = self._statement("end_replaced", token_hash=replaces, inserted=record.id)
        if moved is not None:
            batch["moved_back"] = self._statement("move", **{"from": moved, "to": new.replaces})
        if new.limit is not None and not order.refuses:
            kept = {"keep": record.id, "others": new.limit - 1, "inserted": record.id}
            batch["evicted"] = self._statement("evict_for_inserted", **kept, **common)
        batch["row"] = self._statement("read", token_hash=new.token_hash, now=now)
        if self._users:
            batch["user"] = self._statement("user_exists", user_id=record.user_id)
        if order.carries:
            batch["seen"] = self.replaced_data(new)
        if order.refuses:
            batch["in_the_way"] = self._statement("list_of_user", limit=_ALL, **common)
        return batch

    def create_acting(self, new: NewSession, actor_session_id: str, now: int | None) -> Batch:
        """Insert a session that ends with another, if that is alive, and read the row."""
        named = {"session_id": new.record.id, "actor_session_id": actor_session_id}
        values = {**new.record._asdict(), "token_hash": new.token_hash, **named, "now": now}
        batch = {
            "inserted": self._statement("insert_acting_of_user", **values),
            "tied": self._statement("add_acting", **named),
            "row": self._statement("read", token_hash=new.token_hash, now=now),
        }
        if self._users:
            batch["user"] = self._statement("user_exists", user_id=new.record.user_id)
        return batch

    def acting(self, new: NewSession, rows: Answer) -> Record | None:
        """Return the session that ends with another; None when that was not alive.

        Raises:
            DataError: There is no such user.
        """
        if not rows["inserted"]:
            self._check_user(new.record.user_id, rows)
            return None
        return self._record(tuple(rows["row"][0][3:]))

    def created(self, order: Order, rows: Answer) -> CreateResult | None:
        """Return what creating did; None when the replaced session is not any more what was seen.

        Raises:
            DataError: There is no such user.
            Full: The limit is reached and nothing may be evicted.
        """
        if not rows["inserted"]:
            self._explain(order, rows)
            return None
        record = self._record(tuple(rows["row"][0][3:])) or order.new.record
        replaced = next(map(Record._make, rows.get("replaced", ())), None)
        return CreateResult(record, tuple(map(Record._make, rows.get("evicted", ()))), replaced)

    def _explain(self, order: Order, rows: Answer) -> None:
        self._check_user(order.new.record.user_id, rows)
        # The replaced session is there as long as nothing was inserted, so this is what the insertion has seen.
        if order.carries and (rows["seen"][0][0] if rows["seen"] else None) != order.seen:
            return
        filling = (self._record(row) for row in rows.get("in_the_way", ()))
        own = (record for record in filling if record is not None and not acts_for_another(record.authentication))
        raise Full(order.new.limit or 0, tuple(own))

    def _check_user(self, user_id: str | None, rows: Answer) -> None:
        if self._users and not rows["user"][0][0]:
            msg = f"there is no user with the id {user_id!r}"
            raise DataError(msg)

    # --- changing

    def rotate(self, rotation: Rotation, now: int | None) -> Batch:
        """Replace the token hash, if it is still the one expected, and read the row."""
        return {
            "changed": self._statement("rotate", **rotation._asdict(), now=now),
            "row": self._statement("read", token_hash=rotation.new_hash, now=now),
        }

    def renew(self, renewal: Renewal, now: int | None) -> Batch:
        """Retire a token, if it is its session's still, and read which one has come after it."""
        values = {**renewal._asdict(), "now": now}
        return {
            "retired": self._statement("retire", **values),
            "advanced": self._statement("advance", **values),
            "forgotten": self._statement("forget_retired", old_hash=renewal.old_hash, most=MOST_RETIRED),
            "renewed": self._statement("renewed", old_hash=renewal.old_hash, now=now),
        }

    def save(self, change: SessionChange, seen: str, data: str, now: int | None) -> Batch:
        """Write data into a live session whose data are still what was seen, and read the row."""
        values = {"session_id": change.session_id, "seen": seen, "data": data, **given_times(change), "now": now}
        return {
            "changed": self._statement("save_as_seen", **values),
            "row": self._statement("find", session_id=change.session_id, now=now),
        }

    def bind(self, session_id: str, device: Device, now: int | None) -> Batch:
        """Bind a live session to a device, if it is bound to none."""
        return {
            "device": self._statement("add_device_to_unbound", session_id=session_id, **device._asdict(), now=now),
            "bound": self._statement("bind", session_id=session_id, now=now),
        }

    def spend(self, name: bytes, lifetime: int, now: int | None) -> Batch:
        """Note that something is used up, and forget some of what is over."""
        return {
            "spent": self._statement("spend", name=name, lifetime=lifetime, now=now),
            "forgotten": self._statement("forget_spent", now=now),
        }

    def report(self, worker: str, report: str, now: int | None) -> Batch:
        """Note what a worker tells, and find out whether it is its turn to do what one does for all."""
        return {
            "told": self._statement("report", worker=worker, report=report, now=now),
            "duty": self._statement("duty", worker=worker, pause=PAUSE, now=now),
            "forgotten": self._statement("forget_workers", keep=KEPT, now=now),
        }

    # --- ending

    def revoke_everyone(self) -> Batch:
        """End all sessions with one entry instead of one for each."""
        return {
            "quiet": self._statement("quiet", quiet=1),
            "count": self._statement("count"),
            "delete": self._statement("everyone"),
            "log": self._statement("log", subject="*"),
            "loud": self._statement("quiet", quiet=0),
        }

    def revoke_matching(self, matching: Callable[..., Statement], wanted: SessionFilter, now: int | None) -> Batch:
        """End the sessions that a filter means, with one entry for everyone where they are very many."""
        return {
            "quiet": matching("quiet_if_many", wanted, many=MANY, now=now),
            "log": self._statement("log_if_quiet"),
            "ended": matching("end_matching", wanted, now=now),
            "loud": self._statement("quiet", quiet=0),
        }

    def sweep(self, batch: int, now: int | None, before: int | None) -> Batch:
        """Trim the log, and delete expired sessions without entries."""
        return {
            "floor": self._statement("trim_floor", before=before),
            "trim": self._statement("trim"),
            "workers": self._statement("forget_workers", keep=KEPT, now=now),
            "quiet": self._statement("quiet", quiet=1),
            "ended": self._statement("sweep", now=now, batch=batch),
            "loud": self._statement("quiet", quiet=0),
        }
