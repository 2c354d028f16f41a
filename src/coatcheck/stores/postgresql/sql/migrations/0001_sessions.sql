-- The token itself is nowhere. Types and bounds are enforced here as well, for not only coatcheck writes to its table.
CREATE TABLE /*schema*/coatcheck_meta (
    one integer PRIMARY KEY CHECK (one = 1),
    schema integer NOT NULL,
    epoch text,
    floor bigint NOT NULL,
    generation bigint NOT NULL
);
INSERT INTO /*schema*/coatcheck_meta (one, schema, floor, generation) VALUES (1, 0, 0, 0);

CREATE FUNCTION /*schema*/coatcheck_generation() RETURNS bigint LANGUAGE sql STABLE SECURITY DEFINER
SET search_path = pg_catalog, pg_temp AS 'SELECT generation FROM /*schema*/coatcheck_meta';

CREATE TABLE /*schema*/coatcheck_sessions (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    id text COLLATE "C" NOT NULL UNIQUE CHECK (octet_length(id) BETWEEN 1 AND 255),
    user_id /*user_column*/ CHECK (octet_length(user_id || '') BETWEEN 1 AND 255),
    created_at timestamptz NOT NULL,
    authenticated_at timestamptz,
    last_seen_at timestamptz NOT NULL,
    idle_expires_at timestamptz NOT NULL,
    expires_at timestamptz,
    idle_timeout interval NOT NULL CHECK (idle_timeout >= interval '0'),
    remember boolean NOT NULL DEFAULT false,
    ip inet,
    user_agent text CHECK (char_length(user_agent) <= 512),
    data jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(data) = 'object'),
    authentication jsonb CHECK (jsonb_typeof(authentication) = 'object'),
    generation bigint NOT NULL DEFAULT /*schema*/coatcheck_generation()
);
CREATE INDEX coatcheck_sessions_user ON /*schema*/coatcheck_sessions (user_id, created_at);
CREATE INDEX coatcheck_sessions_seen ON /*schema*/coatcheck_sessions (last_seen_at);
CREATE INDEX coatcheck_sessions_idle ON /*schema*/coatcheck_sessions (idle_expires_at);
CREATE INDEX coatcheck_sessions_end ON /*schema*/coatcheck_sessions (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX coatcheck_sessions_generation ON /*schema*/coatcheck_sessions (generation);

-- The invalidation log. A position is the number of the transaction that wrote the entry.
CREATE TABLE /*schema*/coatcheck_log (
    position bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    subject text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX coatcheck_log_position ON /*schema*/coatcheck_log (position, subject);
CREATE INDEX coatcheck_log_at ON /*schema*/coatcheck_log (at);

-- The log's identity. After a crash, transaction numbers that were never written to disk are handed out again; the
-- crash, and a standby's promotion, empty exactly this table. A restart without one gives another `started`. Tables that
-- were restored from a dump while the server went on, or copied with their database, are not where these were.
CREATE UNLOGGED TABLE /*schema*/coatcheck_epoch (
    one integer PRIMARY KEY CHECK (one = 1),
    epoch text NOT NULL,
    started timestamptz NOT NULL,
    place text NOT NULL,
    sessions oid NOT NULL
);
