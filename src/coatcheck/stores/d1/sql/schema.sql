-- Our tables and triggers as they stand in the database.
SELECT type, name, sql FROM sqlite_schema WHERE name LIKE 'coatcheck\_%' ESCAPE '\'
