-- Only entries of transactions that every snapshot of today sees ended, and the floor rises with them.
WITH gone AS (
    DELETE FROM /*schema*/coatcheck_log
    WHERE at < /*now*/ - interval '2 hours'
        AND position < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
    RETURNING position
)
UPDATE /*schema*/coatcheck_meta SET floor = greatest(floor, (SELECT max(position) + 1 FROM gone))
WHERE EXISTS (SELECT 1 FROM gone)
