-- The session of a retired token whose grace is over.
DELETE FROM coatcheck_sessions
WHERE id = (SELECT session_id FROM coatcheck_retired WHERE token_hash = :token_hash AND until <= :now)
    AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING id, user_id, authentication ->> '$.actor'
