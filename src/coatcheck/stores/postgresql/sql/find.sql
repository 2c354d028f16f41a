-- A session by its public id, in the same way.
SELECT e.epoch, pg_snapshot_xmin(pg_current_snapshot())::text::bigint, /*micros_now*/, /*columns*/, /*user*/, NULL, NULL, NULL
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN /*schema*/coatcheck_sessions AS s ON s.id = :session_id AND s.generation = meta.generation
/*user_join*/
