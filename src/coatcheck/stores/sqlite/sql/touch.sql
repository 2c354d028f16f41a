-- Only forwards, only rows that are there, and only uses from before the session's end. What has expired stays
-- so: it has been refused, and another session may have taken its place within the limit.
UPDATE coatcheck_sessions
SET last_seen_at = max(last_seen_at, touches.seen),
    idle_expires_at = max(idle_expires_at, touches.idle)
FROM (
    SELECT value ->> 0 AS session_id, value ->> 1 AS seen, value ->> 2 AS idle FROM json_each(:touches)
) AS touches
WHERE id = touches.session_id
    AND idle_expires_at > touches.seen
    AND (expires_at IS NULL OR expires_at > touches.seen)
    AND idle_expires_at > :now
    AND (expires_at IS NULL OR expires_at > :now)
RETURNING id
