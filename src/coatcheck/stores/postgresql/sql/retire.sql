-- The first to retire a session's token decides which one comes next. Whoever comes second waits for the row, and then
-- finds that it has another token.
INSERT INTO /*schema*/coatcheck_retired (token_hash, session_id, successor, seal, retired_at, until)
SELECT current.token_hash, current.id, :new_hash, :seal, /*now*/,
    /*now*/ + CAST(:grace AS bigint) * interval '1 microsecond'
FROM (
    SELECT s.token_hash, s.id FROM /*schema*/coatcheck_sessions AS s
    WHERE s.token_hash = :old_hash AND /*alive*/
    FOR UPDATE
) AS current
RETURNING session_id
