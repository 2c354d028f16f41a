-- Which sessions end with another one: what somebody does as another user, with the session that they do it from. The
-- triggers, and no foreign key, see to it, for those work wherever foreign keys are off.
CREATE TABLE coatcheck_impersonations (
    session_id TEXT NOT NULL PRIMARY KEY,
    actor_session_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX coatcheck_impersonations_actor ON coatcheck_impersonations (actor_session_id);
