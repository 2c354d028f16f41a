-- What happened to sessions, and what the application adds to it. Rows are added, and deleted when they are old enough.
-- They outlive their session and their user.
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
