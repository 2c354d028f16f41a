-- What happened to sessions, and what the application adds to it. Rows are added, and deleted when they are old enough.
-- They outlive their session and their user.
CREATE TABLE /*schema*/coatcheck_audit (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    action text NOT NULL CHECK (octet_length(action) BETWEEN 1 AND 64),
    actor text COLLATE "C" CHECK (octet_length(actor) BETWEEN 1 AND 255),
    user_id text COLLATE "C" CHECK (octet_length(user_id) BETWEEN 1 AND 255),
    session_id text COLLATE "C" CHECK (octet_length(session_id) BETWEEN 1 AND 255),
    address text CHECK (octet_length(address) BETWEEN 1 AND 255),
    detail text NOT NULL CHECK (char_length(detail) <= 4096)
);
CREATE INDEX coatcheck_audit_at ON /*schema*/coatcheck_audit (at);
CREATE INDEX coatcheck_audit_user ON /*schema*/coatcheck_audit (user_id, id);
CREATE INDEX coatcheck_audit_session ON /*schema*/coatcheck_audit (session_id, id);
CREATE INDEX coatcheck_audit_actor ON /*schema*/coatcheck_audit (actor, id) WHERE actor IS NOT NULL;
