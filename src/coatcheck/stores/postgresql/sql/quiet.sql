-- Only for this transaction, whose number it names, and only for what has expired: see the trigger.
SELECT set_config('coatcheck.quiet', CASE CAST(:quiet AS integer) WHEN 1 THEN pg_current_xact_id()::text ELSE '' END, true)
