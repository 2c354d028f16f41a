DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.token_hash = :token_hash AND /*current*/
RETURNING /*columns*/, NULL
