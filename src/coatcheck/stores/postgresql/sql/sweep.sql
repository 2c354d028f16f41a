-- One search for each reason, so that each uses its own index and stops at the batch.
DELETE FROM /*schema*/coatcheck_sessions AS gone
WHERE gone.id IN (
    (SELECT id FROM /*schema*/coatcheck_sessions WHERE idle_expires_at <= /*now*/ LIMIT :batch)
    UNION
    (SELECT id FROM /*schema*/coatcheck_sessions WHERE expires_at <= /*now*/ LIMIT :batch)
    UNION
    (SELECT id FROM /*schema*/coatcheck_sessions
     WHERE generation < (SELECT generation FROM /*schema*/coatcheck_meta) LIMIT :batch)
    LIMIT :batch
)
RETURNING gone.id, gone.user_id::text
