-- A retired token whose grace is over, so that its use is told of once.
DELETE FROM coatcheck_retired
WHERE token_hash = :token_hash AND until <= :now
    AND session_id IN (
        SELECT id FROM coatcheck_sessions WHERE idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
    )
RETURNING session_id, (SELECT user_id FROM coatcheck_sessions WHERE id = session_id),
    (SELECT authentication ->> '$.actor' FROM coatcheck_sessions WHERE id = session_id)
