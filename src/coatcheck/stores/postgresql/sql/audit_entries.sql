-- A line with a parameter counts only where it has a value.
SELECT id, /*micros(at)*/, action, actor, user_id, session_id, address, detail
FROM /*schema*/coatcheck_audit
WHERE id < CAST(:after AS bigint)
    AND user_id = CAST(:user_id AS text)
    AND session_id = CAST(:session_id AS text)
    AND actor = CAST(:actor AS text)
    AND action = CAST(:action AS text)
    AND at >= /*time(since)*/
    AND at < /*time(before)*/
ORDER BY id DESC
LIMIT :limit
