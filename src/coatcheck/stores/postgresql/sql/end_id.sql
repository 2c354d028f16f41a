DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.id = :session_id
    AND (CAST(:user_id AS text) IS NULL OR s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/))
    AND (CAST(:kind AS text) IS NULL OR s.kind = CAST(:kind AS text))
    AND /*current*/
RETURNING s.id, s.user_id::text, s.authentication ->> 'actor'
