DELETE FROM coatcheck_sessions
WHERE id IN (
    SELECT id FROM coatcheck_sessions WHERE idle_expires_at <= :now OR expires_at <= :now LIMIT :batch
)
RETURNING id, user_id, authentication ->> '$.actor'
