INSERT INTO coatcheck_log (subject) SELECT '*' FROM coatcheck_meta WHERE quiet = 1
