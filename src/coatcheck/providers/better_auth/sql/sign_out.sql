DELETE FROM /*sessions*/ WHERE /*token*/ = :token
