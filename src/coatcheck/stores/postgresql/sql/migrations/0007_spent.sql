-- What may count only once and has counted, such as the proof of one request, by its hash; kept until it is over anyway.
-- UNLOGGED: one row a request is too much for the disk, and a crash would have to come within the minute.
CREATE UNLOGGED TABLE /*schema*/coatcheck_spent (
    name bytea PRIMARY KEY CHECK (octet_length(name) = 32),
    ends_at timestamptz NOT NULL
);
CREATE INDEX coatcheck_spent_end ON /*schema*/coatcheck_spent (ends_at);
