-- Before very many end: then the triggers write nothing, and one entry for everyone says it.
UPDATE coatcheck_meta SET quiet = (
    SELECT count(*) > :many FROM (
        SELECT 1 FROM coatcheck_sessions AS s
        /*user_join*/
        WHERE /*matching*/
        LIMIT :many + 1
    )
)
