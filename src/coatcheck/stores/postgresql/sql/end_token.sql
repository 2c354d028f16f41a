-- Also by the token that the session had before: it ends what it led to.
DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.token_hash IN (
        :token_hash, (SELECT successor FROM /*schema*/coatcheck_retired WHERE token_hash = :token_hash)
    )
    AND /*current*/
RETURNING /*columns*/, NULL
