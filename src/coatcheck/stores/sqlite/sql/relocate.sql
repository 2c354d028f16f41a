UPDATE coatcheck_sessions SET ip = :ip, user_agent = :user_agent
WHERE id = :session_id AND (ip IS NOT :ip OR user_agent IS NOT :user_agent)
    AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING id
