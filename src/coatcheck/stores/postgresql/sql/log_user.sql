SELECT /*schema*/coatcheck_invalidate('u:' || CAST(CAST(:user_id AS text) AS /*user_type*/)::text)
