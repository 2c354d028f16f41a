UPDATE /*schema*/coatcheck_devices SET challenges = CAST(:new AS text)
WHERE session_id = :session_id AND challenges = CAST(:seen AS text)
RETURNING session_id
