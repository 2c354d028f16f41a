-- What workers tell of themselves, a row for each minute: their counters since they began, by which whoever reads them
-- knows what has happened in between. Rows go after half an hour. Nothing in here is a secret, or names a user or host.
CREATE TABLE /*schema*/coatcheck_workers (
    id text COLLATE "C" NOT NULL,
    minute bigint NOT NULL,
    reported_at timestamptz NOT NULL,
    probed_at timestamptz,
    active bigint,
    report jsonb NOT NULL,
    PRIMARY KEY (id, minute)
);
