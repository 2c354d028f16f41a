UPDATE coatcheck_sessions
SET data = :data,
    idle_timeout = coalesce(:idle_timeout, idle_timeout),
    idle_expires_at = coalesce(:idle_expires_at, idle_expires_at),
    expires_at = coalesce(:expires_at, expires_at)
WHERE id = :session_id /*if*/
RETURNING id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, device_bound, NULL
