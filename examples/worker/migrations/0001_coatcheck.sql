CREATE TABLE coatcheck_sessions (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255),
    user_id TEXT  CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
    created_at INTEGER NOT NULL,
    authenticated_at INTEGER,
    last_seen_at INTEGER NOT NULL,
    idle_expires_at INTEGER NOT NULL,
    expires_at INTEGER,
    idle_timeout INTEGER NOT NULL CHECK (idle_timeout BETWEEN 0 AND 4000000000000000),
    remember INTEGER NOT NULL DEFAULT 0 CHECK (remember IN (0, 1)),
    ip TEXT CHECK (length(CAST(ip AS BLOB)) <= 255),
    user_agent TEXT CHECK (length(user_agent) <= 512),
    data TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(data) AND json_type(data) = 'object'),
    authentication TEXT CHECK (
        authentication IS NULL OR (json_valid(authentication) AND json_type(authentication) = 'object')
    )
) STRICT, WITHOUT ROWID;

CREATE INDEX coatcheck_sessions_user ON coatcheck_sessions (user_id, created_at);

CREATE INDEX coatcheck_sessions_seen ON coatcheck_sessions (last_seen_at);

CREATE INDEX coatcheck_sessions_idle ON coatcheck_sessions (idle_expires_at);

CREATE INDEX coatcheck_sessions_end ON coatcheck_sessions (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE coatcheck_log (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL DEFAULT (unixepoch()),
    mark INTEGER NOT NULL DEFAULT (random())
);

CREATE INDEX coatcheck_log_at ON coatcheck_log (at);

CREATE TABLE coatcheck_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    floor INTEGER NOT NULL,
    quiet INTEGER NOT NULL DEFAULT 0
);

INSERT INTO coatcheck_meta (one, schema, epoch, floor) VALUES (1, 0, lower(hex(randomblob(16))), 1);

CREATE TABLE coatcheck_retired (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id TEXT NOT NULL,
    successor BLOB NOT NULL CHECK (length(successor) = 32),
    seal BLOB NOT NULL CHECK (length(seal) = 32),
    retired_at INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX coatcheck_retired_session ON coatcheck_retired (session_id, retired_at);

ALTER TABLE coatcheck_sessions ADD COLUMN device_bound INTEGER NOT NULL DEFAULT 0 CHECK (device_bound IN (0, 1));

CREATE TABLE coatcheck_devices (
    session_id TEXT NOT NULL PRIMARY KEY,
    thumbprint TEXT NOT NULL,
    key TEXT NOT NULL CHECK (json_valid(key)),
    challenges TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE coatcheck_impersonations (
    session_id TEXT NOT NULL PRIMARY KEY,
    actor_session_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX coatcheck_impersonations_actor ON coatcheck_impersonations (actor_session_id);

ALTER TABLE coatcheck_sessions ADD COLUMN kind TEXT NOT NULL DEFAULT 'session' CHECK (length(kind) BETWEEN 1 AND 32);

CREATE TABLE coatcheck_audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    action TEXT NOT NULL CHECK (length(CAST(action AS BLOB)) BETWEEN 1 AND 64),
    actor TEXT CHECK (length(CAST(actor AS BLOB)) BETWEEN 1 AND 255),
    user_id TEXT CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
    session_id TEXT CHECK (length(CAST(session_id AS BLOB)) BETWEEN 1 AND 255),
    address TEXT CHECK (length(CAST(address AS BLOB)) BETWEEN 1 AND 255),
    detail TEXT NOT NULL CHECK (length(detail) <= 4096)
) STRICT;

CREATE INDEX coatcheck_audit_at ON coatcheck_audit (at);

CREATE INDEX coatcheck_audit_user ON coatcheck_audit (user_id, id);

CREATE INDEX coatcheck_audit_session ON coatcheck_audit (session_id, id);

CREATE INDEX coatcheck_audit_actor ON coatcheck_audit (actor, id) WHERE actor IS NOT NULL;

CREATE TABLE coatcheck_spent (
    name BLOB NOT NULL PRIMARY KEY CHECK (length(name) = 32),
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX coatcheck_spent_end ON coatcheck_spent (ends_at);

CREATE TABLE coatcheck_workers (
    id TEXT NOT NULL,
    minute INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    probed_at INTEGER,
    active INTEGER,
    report TEXT NOT NULL CHECK (json_valid(report)),
    PRIMARY KEY (id, minute)
) STRICT, WITHOUT ROWID;

CREATE INDEX coatcheck_sessions_others ON coatcheck_sessions (idle_expires_at, kind) WHERE kind <> 'session';

UPDATE coatcheck_meta SET schema = 9;

CREATE TRIGGER coatcheck_deleted AFTER DELETE ON coatcheck_sessions
WHEN (SELECT quiet FROM coatcheck_meta) IS NOT 1
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD.id);
END;

CREATE TRIGGER coatcheck_retired_deleted AFTER DELETE ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_retired WHERE session_id = OLD.id;
END;

CREATE TRIGGER coatcheck_updated AFTER UPDATE ON coatcheck_sessions
WHEN OLD.id IS NOT NEW.id
    OR OLD.token_hash IS NOT NEW.token_hash
    OR OLD.user_id IS NOT NEW.user_id
    OR OLD.created_at IS NOT NEW.created_at
    OR OLD.authenticated_at IS NOT NEW.authenticated_at
    OR OLD.expires_at IS NOT NEW.expires_at
    OR OLD.idle_timeout IS NOT NEW.idle_timeout
    OR OLD.remember IS NOT NEW.remember
    OR OLD.ip IS NOT NEW.ip
    OR OLD.user_agent IS NOT NEW.user_agent
    OR OLD.data IS NOT NEW.data
    OR OLD.authentication IS NOT NEW.authentication
    OR OLD.device_bound IS NOT NEW.device_bound
    OR NEW.last_seen_at < OLD.last_seen_at
    OR NEW.idle_expires_at < OLD.idle_expires_at
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD.id);
    INSERT INTO coatcheck_log (subject) SELECT 's:' || NEW.id WHERE NEW.id IS NOT OLD.id;
END;

CREATE TRIGGER coatcheck_replaced_by_insert BEFORE INSERT ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id;
    DELETE FROM coatcheck_retired
    WHERE session_id IN (SELECT id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id);
END;

CREATE TRIGGER coatcheck_replaced_by_update BEFORE UPDATE OF id, token_hash ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || id FROM coatcheck_sessions
    WHERE (token_hash = NEW.token_hash OR id = NEW.id) AND id IS NOT OLD.id;
END;

CREATE TRIGGER coatcheck_device_gone AFTER DELETE ON coatcheck_sessions WHEN OLD.device_bound
BEGIN
    DELETE FROM coatcheck_devices WHERE session_id = OLD.id;
END;

CREATE TRIGGER coatcheck_acting_gone AFTER DELETE ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id;
    DELETE FROM coatcheck_sessions
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id);
    DELETE FROM coatcheck_impersonations WHERE session_id = OLD.id OR actor_session_id = OLD.id;
END;

CREATE TRIGGER coatcheck_acting_for_another AFTER UPDATE OF id, user_id ON coatcheck_sessions
WHEN OLD.id IS NOT NEW.id OR OLD.user_id IS NOT NEW.user_id
BEGIN
    DELETE FROM coatcheck_sessions
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id);
    DELETE FROM coatcheck_impersonations WHERE session_id = OLD.id OR actor_session_id = OLD.id;
END;

CREATE TRIGGER coatcheck_acting_shortened AFTER UPDATE OF idle_expires_at, expires_at ON coatcheck_sessions
WHEN NEW.idle_expires_at < OLD.idle_expires_at
    OR (NEW.expires_at IS NOT NULL AND (OLD.expires_at IS NULL OR NEW.expires_at < OLD.expires_at))
BEGIN
    UPDATE coatcheck_sessions
    SET expires_at = min(expires_at, NEW.idle_expires_at, coalesce(NEW.expires_at, NEW.idle_expires_at))
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = NEW.id);
END;

CREATE TRIGGER coatcheck_acting_replaced_by_insert BEFORE INSERT ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_sessions WHERE id IN (
        SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id IN (
            SELECT id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id
        )
    );
END;

CREATE TRIGGER coatcheck_acting_replaced_by_update BEFORE UPDATE OF id, token_hash ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_sessions WHERE id IN (
        SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id IN (
            SELECT id FROM coatcheck_sessions
            WHERE (token_hash = NEW.token_hash OR id = NEW.id) AND id IS NOT OLD.id
        )
    );
END;
