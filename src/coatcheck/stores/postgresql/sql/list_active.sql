SELECT /*columns*/, /*user*/
FROM /*schema*/coatcheck_sessions AS s
/*user_join*/
WHERE s.idle_timeout > interval '0' AND /*alive*/
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT :limit
