-- Where the log stands, without its entries: what was committed is below this position.
SELECT e.epoch, pg_current_snapshot()::text, /*micros_now*/,
    greatest(meta.floor, (SELECT max(position) + 1 FROM /*schema*/coatcheck_log))
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
WHERE NOT pg_is_in_recovery()
