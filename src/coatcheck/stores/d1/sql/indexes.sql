SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = :table
