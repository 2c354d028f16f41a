UPDATE coatcheck_sessions SET token_hash = :new_hash
WHERE token_hash = :old_hash AND idle_expires_at > :now AND (expires_at IS NULL OR expires_at > :now)
