-- A new row that ends with another session and no later than that one as it stands; if that is alive, and is no such row
-- itself. Its user's limit counts others. Its generation is that session's: both end with everyone.
INSERT INTO /*schema*/coatcheck_sessions AS s (
    token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, generation
)
SELECT :token_hash, CAST(:id AS text), CAST(CAST(:user_id AS text) AS /*user_type*/),
    /*time(created_at)*/, /*time(authenticated_at)*/, /*time(last_seen_at)*/, /*time(idle_expires_at)*/,
    least(/*time(expires_at)*/, s.idle_expires_at, s.expires_at),
    CAST(:idle_timeout AS bigint) * interval '1 microsecond', CAST(:remember AS boolean),
    CAST(CAST(:ip AS text) AS inet), CAST(:user_agent AS text), CAST(CAST(:data AS text) AS jsonb),
    CAST(CAST(:authentication AS text) AS jsonb), s.generation
FROM /*schema*/coatcheck_sessions AS s
WHERE s.id = :actor_session_id AND /*alive*/
    AND NOT EXISTS (SELECT FROM /*schema*/coatcheck_impersonations WHERE session_id = s.id)
RETURNING /*columns*/, NULL
