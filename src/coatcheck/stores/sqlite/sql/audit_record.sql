INSERT INTO coatcheck_audit (at, action, user_id, session_id, detail, actor, address)
SELECT :now, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5
FROM json_each(:entries)
ORDER BY key
RETURNING id
