-- What ended when everyone's sessions did; that was said then.
DELETE FROM /*schema*/coatcheck_sessions AS gone
WHERE gone.id IN (
    SELECT id FROM /*schema*/coatcheck_sessions
    WHERE generation < (SELECT generation FROM /*schema*/coatcheck_meta) LIMIT :batch
)
RETURNING true
