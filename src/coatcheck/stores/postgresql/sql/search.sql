SELECT /*columns*/, /*user*/
FROM /*schema*/coatcheck_sessions AS s
/*user_join*/
WHERE /*matching*/
    AND (s.last_seen_at, s.id) < (/*time(after_seen)*/, CAST(:after_id AS text) COLLATE "C")
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT :limit
