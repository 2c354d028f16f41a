SELECT count(*) FROM coatcheck_sessions
