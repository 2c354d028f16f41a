-- What a token's successor is, while its grace lasts.
SELECT /*columns*/, /*user*/, r.successor, r.seal
FROM /*schema*/coatcheck_retired AS r
JOIN /*schema*/coatcheck_sessions AS s ON s.token_hash = r.successor
/*user_join*/
WHERE r.token_hash = :old_hash AND r.until > /*now*/ AND /*alive*/
