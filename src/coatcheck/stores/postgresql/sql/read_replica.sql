-- The same from a standby, where the unlogged epoch cannot be read: its copy that travels with the log is. Once it has
-- been promoted, that copy is another server's. What it has not got, the primary is asked for: so are retired tokens.
SELECT CASE WHEN pg_is_in_recovery() THEN meta.epoch END, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/,
    (SELECT /*since*/ FROM /*schema*/coatcheck_retired WHERE session_id = s.id), NULL, NULL
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = :token_hash AND s.generation = meta.generation
/*user_join*/
