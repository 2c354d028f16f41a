-- The time, and what all workers have told; at least one row.
SELECT /*micros_now*/, w.id, w.minute, /*reported*/, w.active, w.report::text
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_workers AS w ON true
ORDER BY w.id, w.minute
