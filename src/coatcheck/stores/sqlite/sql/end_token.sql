-- Also by the token that the session had before: it ends what it led to.
DELETE FROM coatcheck_sessions
WHERE token_hash IN (:token_hash, (SELECT successor FROM coatcheck_retired WHERE token_hash = :token_hash)) /*if*/
RETURNING id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, device_bound, NULL
