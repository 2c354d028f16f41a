INSERT INTO /*schema*/coatcheck_devices (session_id, thumbprint, key, challenges)
VALUES (CAST(:session_id AS text), CAST(:thumbprint AS text), CAST(:key AS text), CAST(:challenges AS text))
ON CONFLICT (session_id)
DO UPDATE SET thumbprint = excluded.thumbprint, key = excluded.key, challenges = excluded.challenges
