DELETE FROM coatcheck_sessions
WHERE id IN (
    SELECT s.id FROM coatcheck_sessions AS s
    /*user_join*/
    WHERE /*matching*/
)
RETURNING id, user_id, authentication ->> '$.actor'
