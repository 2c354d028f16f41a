-- The session of a retired token whose grace is over.
DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.id = (SELECT session_id FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash AND until <= /*now*/)
    AND /*alive*/
RETURNING s.id, s.user_id::text, s.authentication ->> 'actor'
