-- Which sessions a filter means: the list, the count and the revocation use this text and no other. A line counts only
-- where the filter gives its value. Rows of another kind are none, nor is a session without its user.
-- The plus keeps an index from being used: nearly all rows are alive, and to look at each of them by way of an index takes
-- longer than to read the table from end to end.
s.kind = 'session' AND +s.idle_expires_at > :now AND (s.expires_at IS NULL OR s.expires_at > :now) /*has_user*/
AND s.user_id = :user_id
AND (s.user_id IS NOT NULL) = :signed_in
AND s.last_seen_at >= :active_since
AND s.last_seen_at < :active_before
AND s.created_at >= :created_since
AND s.created_at < :created_before
AND s.id IN (SELECT value FROM json_each(:ids))
AND instr(lower(s.id || char(10) || coalesce(s.user_id, '') || char(10) || coalesce(s.ip, '') || char(10) || coalesce(s.user_agent, '') /*names*/), lower(:text)) > 0
