DELETE FROM coatcheck_workers WHERE reported_at < :now - :keep
