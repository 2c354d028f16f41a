UPDATE /*schema*/coatcheck_sessions AS s SET data = CAST(CAST(:data AS text) AS jsonb)
WHERE s.id = :session_id
RETURNING /*columns*/, NULL
