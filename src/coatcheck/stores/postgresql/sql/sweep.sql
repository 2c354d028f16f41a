-- One search for each reason, so that each uses its own index and stops at the batch.
DELETE FROM /*schema*/coatcheck_sessions AS gone
WHERE gone.id IN (
    (SELECT id FROM /*schema*/coatcheck_sessions AS s WHERE s.idle_expires_at <= /*now*/ AND /*current*/ LIMIT :batch)
    UNION
    (SELECT id FROM /*schema*/coatcheck_sessions AS s WHERE s.expires_at <= /*now*/ AND /*current*/ LIMIT :batch)
    LIMIT :batch
)
RETURNING gone.id, gone.user_id::text, gone.authentication ->> 'actor'
