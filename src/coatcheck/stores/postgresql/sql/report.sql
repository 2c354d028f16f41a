INSERT INTO /*schema*/coatcheck_workers (id, minute, reported_at, report)
VALUES (CAST(:worker AS text), floor(extract(epoch FROM /*now*/) / 60)::bigint, /*now*/, CAST(CAST(:report AS text) AS jsonb))
ON CONFLICT (id, minute) DO UPDATE SET reported_at = excluded.reported_at, report = excluded.report
