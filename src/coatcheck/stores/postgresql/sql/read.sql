-- The session, the log's identity and the oldest position that may still be written, in one snapshot.
SELECT e.epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = :token_hash AND s.generation = meta.generation
/*user_join*/
