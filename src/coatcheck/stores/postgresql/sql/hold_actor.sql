-- Nobody ends this session before there is what has to end with it. An update and no mere lock: a transaction that reads
-- an older state of the tables would delete a row that was only locked, and its trigger would not see the new one.
UPDATE /*schema*/coatcheck_sessions AS s SET last_seen_at = s.last_seen_at
WHERE s.id = :actor_session_id AND /*alive*/
RETURNING s.id
