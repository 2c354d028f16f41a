SELECT count(*) FROM (
    SELECT DISTINCT s.user_id
    FROM /*schema*/coatcheck_sessions AS s
    /*user_join*/
    WHERE /*matching*/
        AND s.user_id IS NOT NULL
) AS found
