DELETE FROM coatcheck_sessions
WHERE id = :session_id AND (:user_id IS NULL OR user_id = :user_id)
RETURNING id, user_id, authentication ->> '$.actor'
