-- Entries, floor, identity and the snapshot they were read in, in one statement; no row at all from a standby. What the
-- snapshot of the last poll could not see is what had not ended then: all from its upper end on, and those in `open`.
SELECT e.epoch, pg_current_snapshot()::text, /*micros_now*/, meta.floor, log.position, log.subject
FROM /*schema*/coatcheck_meta AS meta
LEFT JOIN /*schema*/coatcheck_epoch AS e ON /*this_life*/
LEFT JOIN LATERAL (
    SELECT position, subject FROM /*schema*/coatcheck_log WHERE position >= CAST(:first AS bigint)
    UNION ALL
    SELECT position, subject FROM /*schema*/coatcheck_log WHERE position = ANY (CAST(:open AS bigint[]))
    LIMIT CAST(:limit AS integer)
) AS log ON true
WHERE NOT pg_is_in_recovery()
