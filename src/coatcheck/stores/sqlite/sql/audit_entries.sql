-- A line with a parameter counts only where it has a value.
SELECT id, at, action, actor, user_id, session_id, address, detail FROM coatcheck_audit
WHERE id < :after
    AND user_id = :user_id
    AND session_id = :session_id
    AND actor = :actor
    AND action = :action
    AND at >= :since
    AND at < :before
ORDER BY id DESC
LIMIT :limit
