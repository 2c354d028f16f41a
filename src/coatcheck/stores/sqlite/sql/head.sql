-- Where the log stands, without its entries: the next position, and the mark of the entry before it.
SELECT meta.epoch, max(meta.floor, coalesce(log.position + 1, 0)), coalesce(log.mark, 0)
FROM coatcheck_meta AS meta
LEFT JOIN coatcheck_log AS log ON log.position = (SELECT max(position) FROM coatcheck_log)
