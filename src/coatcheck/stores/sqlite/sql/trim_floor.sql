-- The floor rises before entries go, in the same transaction.
UPDATE coatcheck_meta
SET floor = max(floor, coalesce((SELECT max(position) + 1 FROM coatcheck_log WHERE at < :before), 0))
