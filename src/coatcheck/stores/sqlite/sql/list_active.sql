SELECT s.id, s.user_id, s.created_at, s.authenticated_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
       s.idle_timeout, s.remember, s.ip, s.user_agent, s.data, s.authentication, s.device_bound, /*user*/
FROM coatcheck_sessions AS s
/*user_join*/
WHERE s.idle_timeout > 0 AND s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now)
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT :limit
