-- A new row, unless the user has as many live ones of its kind as the limit allows (no limit: NULL). One in
-- which somebody else acts as the user does not count.
INSERT INTO coatcheck_sessions (
    token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, kind
)
SELECT :token_hash, :id, :user_id, :created_at, :authenticated_at, :last_seen_at, :idle_expires_at, :expires_at,
    :idle_timeout, :remember, :ip, :user_agent, :data, :authentication, :kind
WHERE (:limit IS NULL OR :limit > (
    SELECT count(*) FROM coatcheck_sessions
    WHERE user_id = :user_id AND kind = :kind AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
        AND authentication ->> '$.actor' IS NULL /*counted_if*/
)) /*if*/
RETURNING id
