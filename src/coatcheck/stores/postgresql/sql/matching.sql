-- Which sessions a filter means: the list, the count and the revocation use this text and no other. A line counts only
-- where the filter gives its value. Rows of another kind are none, nor is a session without its user.
s.kind = 'session' AND /*alive*/ /*has_user*/
AND s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/)
AND (s.user_id IS NOT NULL) = CAST(:signed_in AS boolean)
AND s.last_seen_at >= /*time(active_since)*/
AND s.last_seen_at < /*time(active_before)*/
AND s.created_at >= /*time(created_since)*/
AND s.created_at < /*time(created_before)*/
AND s.id IN (SELECT jsonb_array_elements_text(CAST(:ids AS jsonb)))
AND strpos(lower(concat_ws(chr(10), s.id, s.user_id::text, host(s.ip), s.user_agent /*names*/) COLLATE "default"), lower(CAST(:text AS text))) > 0
