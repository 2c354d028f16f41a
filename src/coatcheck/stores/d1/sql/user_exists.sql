-- Whether a session may be created for this user; anonymous ones always.
SELECT :user_id IS NULL OR EXISTS (SELECT 1 FROM (SELECT :user_id AS user_id) AS s /*user_join*/ WHERE u./*id*/ IS NOT NULL)
