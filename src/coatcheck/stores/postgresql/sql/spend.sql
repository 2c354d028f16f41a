-- One statement, so one round trip. It forgets two of what is over for one that it adds: so the table shrinks by itself.
WITH forgotten AS (
    DELETE FROM /*schema*/coatcheck_spent
    WHERE name IN (
        SELECT name FROM /*schema*/coatcheck_spent
        WHERE ends_at <= /*now*/ AND name <> :name ORDER BY ends_at LIMIT 2 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO /*schema*/coatcheck_spent AS spent (name, ends_at)
VALUES (:name, /*now*/ + CAST(:lifetime AS bigint) * interval '1 microsecond')
ON CONFLICT (name) DO UPDATE SET ends_at = excluded.ends_at WHERE spent.ends_at <= /*now*/
RETURNING 1
