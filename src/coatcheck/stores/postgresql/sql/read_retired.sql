-- The same by a token that may have been retired, in a snapshot of its own: it leads to its successor's session. By a
-- query of its own, for with a join the planner, who takes the one row of coatcheck_meta for a thousand, reads all
-- sessions.
SELECT e.epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/,
    (SELECT /*since*/ FROM /*schema*/coatcheck_retired WHERE session_id = s.id),
    CASE WHEN s.token_hash = :token_hash THEN NULL ELSE (
        SELECT session_id FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash
    ) END,
    CASE WHEN s.token_hash = :token_hash THEN NULL ELSE (
        SELECT /*until*/ FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash
    ) END
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = coalesce(
        (SELECT successor FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash), :token_hash
    ) AND s.generation = meta.generation
/*user_join*/
