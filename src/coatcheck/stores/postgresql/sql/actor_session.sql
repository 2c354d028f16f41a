-- Which live session another one ends with.
SELECT a.actor_session_id
FROM /*schema*/coatcheck_impersonations AS a
JOIN /*schema*/coatcheck_sessions AS s ON s.id = a.actor_session_id
WHERE a.session_id = :session_id AND /*alive*/
