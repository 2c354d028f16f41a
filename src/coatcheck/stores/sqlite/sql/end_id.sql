DELETE FROM coatcheck_sessions
WHERE id = :session_id AND (:user_id IS NULL OR user_id = :user_id) AND (:kind IS NULL OR kind = :kind)
RETURNING id, user_id, authentication ->> '$.actor'
