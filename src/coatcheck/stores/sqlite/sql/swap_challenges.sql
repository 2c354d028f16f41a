UPDATE coatcheck_devices SET challenges = :new
WHERE session_id = :session_id AND challenges = :seen
RETURNING session_id
