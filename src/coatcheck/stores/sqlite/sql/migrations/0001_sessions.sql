-- Times are microseconds since the epoch, durations microseconds; the token itself is nowhere.
-- Types and bounds are enforced here as well, for not only coatcheck writes to its table.
CREATE TABLE coatcheck_sessions (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    id TEXT NOT NULL UNIQUE CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255),
    user_id TEXT /*foreign_key*/ CHECK (length(CAST(user_id AS BLOB)) BETWEEN 1 AND 255),
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

-- The invalidation log. AUTOINCREMENT: positions must not start again after a trim. The mark tells a log that
-- was restored from a backup and went on from one that was never interrupted.
CREATE TABLE coatcheck_log (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    subject TEXT NOT NULL,
    at INTEGER NOT NULL DEFAULT (unixepoch()),
    mark INTEGER NOT NULL DEFAULT (random())
);
CREATE INDEX coatcheck_log_at ON coatcheck_log (at);

-- One row. While `quiet` is set, in the transaction that sets it, row triggers write no entries.
CREATE TABLE coatcheck_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    schema INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    floor INTEGER NOT NULL,
    quiet INTEGER NOT NULL DEFAULT 0
);
INSERT INTO coatcheck_meta (one, schema, epoch, floor) VALUES (1, 0, lower(hex(randomblob(16))), 1);
