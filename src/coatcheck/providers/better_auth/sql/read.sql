-- The session of a token and its user, in one snapshot; no row for a session whose user has gone.
SELECT /*session*/, /*user*/
FROM /*sessions*/ AS s JOIN /*users*/ AS u ON u./*id*/ = s./*user_id*/
WHERE s./*token*/ = :token
