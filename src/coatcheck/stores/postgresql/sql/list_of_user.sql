SELECT /*columns*/, /*user*/
FROM /*schema*/coatcheck_sessions AS s
/*user_join*/
WHERE s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/) AND s.kind = :kind AND /*alive*/
ORDER BY s.created_at DESC, s.id DESC
LIMIT :limit
