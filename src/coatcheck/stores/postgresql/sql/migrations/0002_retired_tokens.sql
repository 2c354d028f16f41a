-- Tokens that have been exchanged in a periodic rotation, for as long as their session is there: what they were, and
-- which token came next. The seal tells that one to whoever has the retired token, and nothing to anybody else. The
-- trigger, and no foreign key, removes them: sessions may be divided into partitions.
CREATE TABLE /*schema*/coatcheck_retired (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    session_id text COLLATE "C" NOT NULL,
    successor bytea NOT NULL CHECK (octet_length(successor) = 32),
    seal bytea NOT NULL CHECK (octet_length(seal) = 32),
    retired_at timestamptz NOT NULL,
    until timestamptz NOT NULL
);
CREATE INDEX coatcheck_retired_session ON /*schema*/coatcheck_retired (session_id, retired_at);
