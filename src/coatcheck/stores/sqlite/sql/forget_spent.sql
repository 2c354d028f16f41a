-- Two for one that is added: so the table shrinks by itself.
DELETE FROM coatcheck_spent
WHERE name IN (SELECT name FROM coatcheck_spent WHERE ends_at <= :now ORDER BY ends_at LIMIT 2)
