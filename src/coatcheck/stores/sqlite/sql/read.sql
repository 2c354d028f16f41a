-- The session, the log's identity and its next position, in one snapshot. A retired token leads to its successor's.
SELECT meta.epoch,
       max(meta.floor, coalesce((SELECT max(position) + 1 FROM coatcheck_log), 0)),
       :now,
       s.id, s.user_id, s.created_at, s.authenticated_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
       s.idle_timeout, s.remember, s.ip, s.user_agent, s.data, s.authentication, s.device_bound, /*user*/,
       (SELECT max(retired_at) FROM coatcheck_retired WHERE session_id = s.id), r.session_id, r.until
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_retired AS r ON r.token_hash = :token_hash
LEFT JOIN coatcheck_sessions AS s ON s.token_hash = coalesce(r.successor, :token_hash)
/*user_join*/
