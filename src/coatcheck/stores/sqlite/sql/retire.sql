-- The first to retire a session's token decides which one comes next.
INSERT INTO coatcheck_retired (token_hash, session_id, successor, seal, retired_at, until)
SELECT token_hash, id, :new_hash, :seal, :now, :now + :grace FROM coatcheck_sessions
WHERE token_hash = :old_hash AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
RETURNING session_id
