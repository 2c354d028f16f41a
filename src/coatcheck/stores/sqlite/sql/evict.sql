-- The user's live rows of a kind beyond the newest ones and the one to keep; none in which somebody else acts.
DELETE FROM coatcheck_sessions
WHERE id IN (
    SELECT id FROM coatcheck_sessions
    WHERE user_id = :user_id AND kind = :kind AND id <> :keep
        AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
        AND authentication ->> '$.actor' IS NULL
    ORDER BY created_at DESC, id DESC
    LIMIT 1000000000 OFFSET :others
) /*if*/
RETURNING id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, device_bound, NULL
