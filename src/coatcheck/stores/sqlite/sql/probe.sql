-- An entry that outdates nothing, with the time at which it was written: see `core.fleet`.
INSERT INTO coatcheck_log (subject) VALUES ('w:probe@' || CAST(:now AS INTEGER))
