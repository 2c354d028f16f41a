SELECT count(*) FROM /*schema*/coatcheck_sessions WHERE generation = (SELECT generation - 1 FROM /*schema*/coatcheck_meta)
