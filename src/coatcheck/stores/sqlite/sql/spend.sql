INSERT INTO coatcheck_spent (name, ends_at) VALUES (:name, :now + :lifetime)
ON CONFLICT (name) DO UPDATE SET ends_at = excluded.ends_at WHERE coatcheck_spent.ends_at <= :now
RETURNING ends_at
