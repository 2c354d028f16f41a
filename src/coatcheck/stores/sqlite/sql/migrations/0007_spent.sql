-- What may count only once and has counted, such as the proof of one request, by its hash; kept until it is over anyway.
CREATE TABLE coatcheck_spent (
    name BLOB NOT NULL PRIMARY KEY CHECK (length(name) = 32),
    ends_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX coatcheck_spent_end ON coatcheck_spent (ends_at);
