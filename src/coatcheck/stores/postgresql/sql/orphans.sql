-- Sessions whose user went without a trigger seeing it. They are refused already; this removes the rows.
DELETE FROM /*schema*/coatcheck_sessions AS gone
WHERE gone.id IN (
    SELECT s.id FROM /*schema*/coatcheck_sessions AS s
    /*user_join*/
    WHERE s.user_id IS NOT NULL AND u./*id*/ IS NULL
    LIMIT :batch
)
RETURNING gone.id, gone.user_id::text, gone.authentication ->> 'actor'
