-- The time, and what all workers have told; at least one row.
SELECT :now, w.id, w.minute, w.reported_at, w.active, w.report
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_workers AS w ON true
ORDER BY w.id, w.minute
