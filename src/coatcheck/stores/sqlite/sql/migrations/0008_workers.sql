-- What workers tell of themselves, a row for each minute: their counters since they began, by which whoever reads them
-- knows what has happened in between. Rows go after half an hour. Nothing in here is a secret, or names a user or host.
CREATE TABLE coatcheck_workers (
    id TEXT NOT NULL,
    minute INTEGER NOT NULL,
    reported_at INTEGER NOT NULL,
    probed_at INTEGER,
    active INTEGER,
    report TEXT NOT NULL CHECK (json_valid(report)),
    PRIMARY KEY (id, minute)
) STRICT, WITHOUT ROWID;
