-- Once in a while, and whichever worker comes first: it counts the live sessions for all, up to a million, and is to
-- write the next probe.
UPDATE /*schema*/coatcheck_workers AS w
SET probed_at = /*now*/,
    active = (SELECT count(*) FROM (SELECT 1 FROM /*schema*/coatcheck_sessions AS s WHERE s.kind = 'session' AND /*alive*/ LIMIT 1000000) AS found)
WHERE w.id = :worker AND w.minute = (SELECT max(minute) FROM /*schema*/coatcheck_workers WHERE id = :worker)
    AND NOT EXISTS (
        SELECT 1 FROM /*schema*/coatcheck_workers
        WHERE probed_at > /*now*/ - CAST(:pause AS bigint) * interval '1 microsecond'
    )
RETURNING w.id
