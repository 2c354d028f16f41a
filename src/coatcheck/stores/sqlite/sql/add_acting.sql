INSERT INTO coatcheck_impersonations (session_id, actor_session_id)
SELECT id, :actor_session_id FROM coatcheck_sessions WHERE id = :session_id
