-- The session, the log's identity and the oldest position that may still be written, in one snapshot. A
-- retired token leads to its successor's session: by a query of its own, for a join would have all sessions read.
SELECT e.epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/,
    (SELECT /*since*/ FROM /*schema*/coatcheck_retired WHERE session_id = s.id), r.session_id, /*until*/
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN /*schema*/coatcheck_retired AS r ON r.token_hash = :token_hash
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = coalesce(
        (SELECT successor FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash), :token_hash
    ) AND s.generation = meta.generation
/*user_join*/
