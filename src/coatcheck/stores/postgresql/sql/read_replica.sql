-- The same from a standby, where the unlogged epoch cannot be read: its copy that travels with the log is. Once it has
-- been promoted, that copy is another server's.
SELECT CASE WHEN pg_is_in_recovery() THEN meta.epoch END, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/,
    (SELECT /*since*/ FROM /*schema*/coatcheck_retired WHERE session_id = s.id),
    CASE WHEN s.token_hash = :token_hash THEN NULL ELSE (
        SELECT session_id FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash
    ) END,
    CASE WHEN s.token_hash = :token_hash THEN NULL ELSE (
        SELECT /*until*/ FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash
    ) END
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = coalesce(
        (SELECT successor FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash), :token_hash
    ) AND s.generation = meta.generation
/*user_join*/
