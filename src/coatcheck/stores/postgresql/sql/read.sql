-- The session, the log's identity and the oldest position that may still be written, in one snapshot. Nearly everybody
-- brings a session's own token. Where there is none, the last column tells whether it was retired: what it leads to
-- then, read_retired.sql says.
SELECT e.epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/,
    (SELECT /*since*/ FROM /*schema*/coatcheck_retired WHERE session_id = s.id), NULL, NULL,
    CASE WHEN s.id IS NULL THEN EXISTS (
        SELECT FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash
    ) END
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = :token_hash AND s.generation = meta.generation
/*user_join*/
