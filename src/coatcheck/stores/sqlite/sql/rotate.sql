UPDATE coatcheck_sessions
SET token_hash = :new_hash,
    authenticated_at = coalesce(:authenticated_at, authenticated_at),
    authentication = coalesce(:authentication, authentication),
    idle_expires_at = coalesce(:idle_expires_at, idle_expires_at),
    expires_at = coalesce(:expires_at, expires_at)
WHERE token_hash IN (
        :old_hash, (SELECT successor FROM coatcheck_retired WHERE token_hash = :old_hash AND until > :now)
    )
    AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, device_bound, NULL
