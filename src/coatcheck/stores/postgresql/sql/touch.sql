-- Only forwards, only rows that are there, and only uses from before the session's end. What has expired stays so: it
-- has been refused, and another session may have taken its place within the limit. A row that somebody else is changing
-- is left alone: its next use is soon enough, and two flushes never wait for each other.
WITH touches AS (
    SELECT touch ->> 0 AS session_id, /*time((touch ->> 1))*/ AS seen, /*time((touch ->> 2))*/ AS idle
    FROM jsonb_array_elements(CAST(CAST(:touches AS text) AS jsonb)) AS touch
), free AS (
    SELECT s.id, touches.seen, touches.idle
    FROM /*schema*/coatcheck_sessions AS s JOIN touches ON s.id = touches.session_id
    WHERE s.idle_expires_at > touches.seen AND (s.expires_at IS NULL OR s.expires_at > touches.seen) AND /*alive*/
    FOR NO KEY UPDATE OF s SKIP LOCKED
)
UPDATE /*schema*/coatcheck_sessions AS s
SET last_seen_at = greatest(s.last_seen_at, free.seen), idle_expires_at = greatest(s.idle_expires_at, free.idle)
FROM free
WHERE s.id = free.id
RETURNING s.id
