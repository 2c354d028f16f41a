INSERT INTO /*schema*/coatcheck_audit (at, action, user_id, session_id, detail, actor, address)
SELECT /*now*/, e.value ->> 0, e.value ->> 1, e.value ->> 2, e.value ->> 3, e.value ->> 4, e.value ->> 5
FROM jsonb_array_elements(CAST(:entries AS jsonb)) WITH ORDINALITY AS e (value, place)
ORDER BY e.place
RETURNING id
