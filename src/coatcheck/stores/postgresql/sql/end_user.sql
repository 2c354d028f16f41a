DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/)
    AND (CAST(:keep AS text) IS NULL OR s.id <> CAST(:keep AS text))
    AND (CAST(:kind AS text) IS NULL OR s.kind = CAST(:kind AS text))
    AND /*current*/
RETURNING s.id, s.user_id::text, s.authentication ->> 'actor'
