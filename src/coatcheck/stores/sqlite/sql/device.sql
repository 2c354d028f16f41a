-- The device of a live session.
SELECT d.thumbprint, d.key, d.challenges
FROM coatcheck_sessions AS s
JOIN coatcheck_devices AS d ON d.session_id = s.id
WHERE s.id = :session_id AND s.device_bound
    AND s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now)
