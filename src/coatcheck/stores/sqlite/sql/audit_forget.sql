DELETE FROM coatcheck_audit
WHERE id IN (SELECT id FROM coatcheck_audit WHERE at < :now - :keep ORDER BY at LIMIT :batch)
RETURNING id
