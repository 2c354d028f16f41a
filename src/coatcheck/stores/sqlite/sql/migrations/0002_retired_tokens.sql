-- Tokens that have been exchanged in a periodic rotation, for as long as their session is there: what they were, and
-- which token came next. The seal tells that one to whoever has the retired token, and nothing to anybody else.
CREATE TABLE coatcheck_retired (
    token_hash BLOB NOT NULL PRIMARY KEY CHECK (length(token_hash) = 32),
    session_id TEXT NOT NULL,
    successor BLOB NOT NULL CHECK (length(successor) = 32),
    seal BLOB NOT NULL CHECK (length(seal) = 32),
    retired_at INTEGER NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX coatcheck_retired_session ON coatcheck_retired (session_id, retired_at);
