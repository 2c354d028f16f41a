DELETE FROM /*schema*/coatcheck_workers
WHERE reported_at < /*now*/ - CAST(:keep AS bigint) * interval '1 microsecond'
