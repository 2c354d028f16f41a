INSERT INTO coatcheck_spent (name, ends_at) VALUES (:name, :now + :lifetime)
ON CONFLICT DO NOTHING
RETURNING ends_at
