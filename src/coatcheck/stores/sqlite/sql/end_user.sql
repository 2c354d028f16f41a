DELETE FROM coatcheck_sessions
WHERE user_id = :user_id AND (:keep IS NULL OR id <> :keep) AND (:kind IS NULL OR kind = :kind)
RETURNING id, user_id, authentication ->> '$.actor'
