UPDATE /*schema*/coatcheck_sessions AS s
SET token_hash = :new_hash,
    authenticated_at = coalesce(/*time(authenticated_at)*/, s.authenticated_at),
    authentication = coalesce(CAST(CAST(:authentication AS text) AS jsonb), s.authentication),
    idle_expires_at = coalesce(/*time(idle_expires_at)*/, s.idle_expires_at),
    expires_at = coalesce(/*time(expires_at)*/, s.expires_at)
WHERE s.token_hash IN (
        :old_hash,
        (SELECT successor FROM /*schema*/coatcheck_retired WHERE token_hash = :old_hash AND until > /*now*/)
    )
    AND /*alive*/
RETURNING /*columns*/, NULL
