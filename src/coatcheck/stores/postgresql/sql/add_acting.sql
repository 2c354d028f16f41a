INSERT INTO /*schema*/coatcheck_impersonations (session_id, actor_session_id)
VALUES (CAST(:session_id AS text), CAST(:actor_session_id AS text))
