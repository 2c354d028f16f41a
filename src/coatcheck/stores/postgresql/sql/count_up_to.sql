SELECT count(*) FROM (
    SELECT 1
    FROM /*schema*/coatcheck_sessions AS s
    /*user_join*/
    WHERE /*matching*/
    LIMIT :most
) AS found
