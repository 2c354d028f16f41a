-- A retired token whose grace is over, so that its use is told of once.
DELETE FROM /*schema*/coatcheck_retired AS r
USING /*schema*/coatcheck_sessions AS s
WHERE r.token_hash = :token_hash AND r.until <= /*now*/ AND s.id = r.session_id AND /*alive*/
RETURNING s.id, s.user_id::text, s.authentication ->> 'actor'
