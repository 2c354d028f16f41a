INSERT INTO coatcheck_log (subject) VALUES (:subject)
