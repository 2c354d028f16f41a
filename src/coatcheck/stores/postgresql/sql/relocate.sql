UPDATE /*schema*/coatcheck_sessions AS s
SET ip = CAST(CAST(:ip AS text) AS inet), user_agent = CAST(:user_agent AS text)
WHERE s.id = :session_id
    AND (s.ip IS DISTINCT FROM CAST(CAST(:ip AS text) AS inet) OR s.user_agent IS DISTINCT FROM CAST(:user_agent AS text))
    AND /*alive*/
RETURNING s.id
