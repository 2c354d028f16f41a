-- Entries, floor and identity, in one snapshot. D1 does not tell the number of its schema, hence the 0.
SELECT meta.epoch, 0 AS schema, meta.floor, log.position, log.subject, log.mark, :now AS now
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_log AS log ON log.position >= :position
ORDER BY log.position
LIMIT :limit
