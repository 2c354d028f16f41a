UPDATE /*schema*/coatcheck_sessions AS s SET token_hash = :new_hash
WHERE s.token_hash = :old_hash AND /*alive*/
RETURNING s.id
