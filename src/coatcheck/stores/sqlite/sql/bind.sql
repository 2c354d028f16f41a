-- Only a live session that belongs to no device yet; the trigger writes the log entry that outdates all copies.
UPDATE coatcheck_sessions SET device_bound = 1
WHERE id = :session_id AND NOT device_bound
    AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING id, user_id
