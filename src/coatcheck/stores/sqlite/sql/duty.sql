-- Once in a while, and whichever worker comes first: it counts the live sessions for all, up to a million, and is to
-- write the next probe. By indexes alone: of a session whose absolute end comes first it learns when that is swept, and
-- rows of other kinds are counted as well and then taken off.
UPDATE coatcheck_workers
SET probed_at = :now,
    active = (
        SELECT count(*) FROM (
            SELECT 1 FROM coatcheck_sessions WHERE idle_expires_at > :now
            LIMIT 1000000 + (SELECT count(*) FROM coatcheck_sessions WHERE kind <> 'session' AND idle_expires_at > :now)
        )
    ) - (SELECT count(*) FROM coatcheck_sessions WHERE kind <> 'session' AND idle_expires_at > :now)
WHERE id = :worker AND minute = (SELECT max(minute) FROM coatcheck_workers WHERE id = :worker)
    AND NOT EXISTS (SELECT 1 FROM coatcheck_workers WHERE probed_at > :now - :pause)
RETURNING id
