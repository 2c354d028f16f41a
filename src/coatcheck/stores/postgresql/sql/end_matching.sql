DELETE FROM /*schema*/coatcheck_sessions AS gone
WHERE gone.id IN (
    SELECT s.id FROM /*schema*/coatcheck_sessions AS s
    /*user_join*/
    WHERE /*matching*/
)
RETURNING gone.id, gone.user_id::text, gone.authentication ->> 'actor'
