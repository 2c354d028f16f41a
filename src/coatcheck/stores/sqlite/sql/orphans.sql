-- Sessions whose user went without a trigger seeing it. They are refused already; this removes the rows.
DELETE FROM coatcheck_sessions
WHERE id IN (
    SELECT s.id FROM coatcheck_sessions AS s
    /*user_join*/
    WHERE s.user_id IS NOT NULL AND u./*id*/ IS NULL
    LIMIT :batch
)
RETURNING id, user_id, authentication ->> '$.actor'
