-- Which live session another one ends with.
SELECT a.actor_session_id
FROM coatcheck_impersonations AS a
JOIN coatcheck_sessions AS s ON s.id = a.actor_session_id
WHERE a.session_id = :session_id AND s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now)
