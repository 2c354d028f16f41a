-- Writes nothing new, but takes the right to write before the data is read.
UPDATE coatcheck_sessions SET data = data
WHERE id = :session_id AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING data
