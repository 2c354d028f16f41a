UPDATE /*schema*/coatcheck_sessions AS s
SET data = CAST(CAST(:data AS text) AS jsonb),
    idle_timeout = coalesce(CAST(:idle_timeout AS bigint) * interval '1 microsecond', s.idle_timeout),
    idle_expires_at = coalesce(/*time(idle_expires_at)*/, s.idle_expires_at),
    expires_at = coalesce(/*time(expires_at)*/, s.expires_at)
WHERE s.id = :session_id
RETURNING /*columns*/, NULL
