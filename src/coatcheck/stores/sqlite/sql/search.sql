SELECT s.id, s.user_id, s.created_at, s.authenticated_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
       s.idle_timeout, s.remember, s.ip, s.user_agent, s.data, s.authentication, s.device_bound, /*user*/
FROM coatcheck_sessions AS s
/*user_join*/
WHERE /*matching*/
    AND (s.last_seen_at, s.id) < (:after_seen, :after_id)
ORDER BY s.last_seen_at DESC, s.id DESC
LIMIT :limit
