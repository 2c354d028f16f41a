SELECT count(*) FROM (
    SELECT 1
    FROM coatcheck_sessions AS s
    /*user_join*/
    WHERE /*matching*/
    LIMIT :most
)
