-- Entries, floor and identity, in one snapshot; at least one row, also when the log is empty.
SELECT meta.epoch, (SELECT schema_version FROM pragma_schema_version), meta.floor,
       log.position, log.subject, log.mark
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_log AS log ON log.position >= :position
ORDER BY log.position
LIMIT :limit
