-- Only a live session that belongs to no device yet; the trigger writes the log entry that outdates all copies.
UPDATE /*schema*/coatcheck_sessions AS s SET device_bound = true
WHERE s.id = :session_id AND NOT s.device_bound AND /*alive*/
RETURNING s.id, s.user_id::text
