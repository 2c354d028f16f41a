-- A new row that ends with another session and no later than that one as it stands; if that is alive, and is no such row
-- itself. Its user's limit counts others.
INSERT INTO coatcheck_sessions (
    token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication
)
SELECT :token_hash, :id, :user_id, :created_at, :authenticated_at, :last_seen_at, :idle_expires_at,
    min(:expires_at, s.idle_expires_at, coalesce(s.expires_at, s.idle_expires_at)),
    :idle_timeout, :remember, :ip, :user_agent, :data, :authentication
FROM coatcheck_sessions AS s
WHERE s.id = :actor_session_id AND s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now)
    AND NOT EXISTS (SELECT 1 FROM coatcheck_impersonations WHERE session_id = s.id) /*if*/
RETURNING id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, device_bound, NULL
