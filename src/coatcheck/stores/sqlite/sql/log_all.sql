INSERT INTO coatcheck_log (subject) SELECT value FROM json_each(:subjects)
