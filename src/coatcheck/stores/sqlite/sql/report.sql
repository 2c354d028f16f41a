INSERT INTO coatcheck_workers (id, minute, reported_at, report)
VALUES (:worker, CAST(:now / 60000000 AS INTEGER), :now, :report)
ON CONFLICT (id, minute) DO UPDATE SET reported_at = excluded.reported_at, report = excluded.report
