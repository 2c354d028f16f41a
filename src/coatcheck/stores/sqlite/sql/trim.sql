DELETE FROM coatcheck_log WHERE position < (SELECT floor FROM coatcheck_meta)
