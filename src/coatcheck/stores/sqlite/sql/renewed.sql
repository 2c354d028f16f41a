-- What a token's successor is, while its grace lasts.
SELECT s.id, s.user_id, s.created_at, s.authenticated_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
       s.idle_timeout, s.remember, s.ip, s.user_agent, s.data, s.authentication, s.device_bound, /*user*/, r.successor, r.seal
FROM coatcheck_retired AS r
JOIN coatcheck_sessions AS s ON s.token_hash = r.successor
/*user_join*/
WHERE r.token_hash = :old_hash AND r.until > :now
    AND s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now)
