-- An entry that outdates nothing, with the time at which it was written: see `core.fleet`.
SELECT /*schema*/coatcheck_invalidate('w:probe@' || /*micros_now*/)
