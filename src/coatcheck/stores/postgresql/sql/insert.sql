-- A new row, unless the user has as many live ones of its kind as the limit allows (no limit: NULL). One in
-- which somebody else acts as the user does not count.
INSERT INTO /*schema*/coatcheck_sessions (
    token_hash, id, user_id, created_at, authenticated_at, last_seen_at, idle_expires_at, expires_at,
    idle_timeout, remember, ip, user_agent, data, authentication, kind, generation
)
SELECT :token_hash, CAST(:id AS text), CAST(CAST(:user_id AS text) AS /*user_type*/),
    /*time(created_at)*/, /*time(authenticated_at)*/, /*time(last_seen_at)*/, /*time(idle_expires_at)*/,
    /*time(expires_at)*/, CAST(:idle_timeout AS bigint) * interval '1 microsecond', CAST(:remember AS boolean),
    CAST(CAST(:ip AS text) AS inet), CAST(:user_agent AS text), CAST(CAST(:data AS text) AS jsonb),
    CAST(CAST(:authentication AS text) AS jsonb), CAST(:kind AS text), meta.generation
FROM /*schema*/coatcheck_meta AS meta
WHERE CAST(:limit AS integer) IS NULL OR CAST(:limit AS integer) > (
    SELECT count(*) FROM /*schema*/coatcheck_sessions AS s
    WHERE s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/) AND s.kind = CAST(:kind AS text)
        AND /*alive*/ AND s.authentication ->> 'actor' IS NULL
)
RETURNING id
