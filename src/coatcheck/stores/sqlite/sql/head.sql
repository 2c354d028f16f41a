-- Where the log stands, without its entries.
SELECT meta.epoch, log.position, log.mark
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_log AS log ON log.position = (SELECT max(position) FROM coatcheck_log)
