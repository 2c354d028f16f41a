-- A session by its public id, the log's identity and its next position, in one snapshot.
SELECT meta.epoch,
       max(meta.floor, coalesce((SELECT max(position) + 1 FROM coatcheck_log), 0)),
       :now,
       s.id, s.user_id, s.created_at, s.authenticated_at, s.last_seen_at, s.idle_expires_at, s.expires_at,
       s.idle_timeout, s.remember, s.ip, s.user_agent, s.data, s.authentication, s.device_bound, /*user*/,
       NULL AS since, NULL AS retired_id, NULL AS until
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_sessions AS s ON s.id = :session_id
/*user_join*/
