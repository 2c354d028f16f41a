DELETE FROM /*schema*/coatcheck_audit
WHERE id IN (
    SELECT id FROM /*schema*/coatcheck_audit
    WHERE at < /*now*/ - CAST(:keep AS bigint) * interval '1 microsecond'
    ORDER BY at
    LIMIT :batch
)
RETURNING id
