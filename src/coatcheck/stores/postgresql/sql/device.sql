-- The device of a live session.
SELECT d.thumbprint, d.key, d.challenges
FROM /*schema*/coatcheck_sessions AS s
JOIN /*schema*/coatcheck_devices AS d ON d.session_id = s.id
WHERE s.id = :session_id AND s.device_bound AND /*alive*/
