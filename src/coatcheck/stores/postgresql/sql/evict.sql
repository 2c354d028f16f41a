-- The user's live rows of a kind beyond the newest ones and the one to keep; none in which somebody else acts.
DELETE FROM /*schema*/coatcheck_sessions AS s
WHERE s.id IN (
    SELECT s.id FROM /*schema*/coatcheck_sessions AS s
    WHERE s.user_id = CAST(CAST(:user_id AS text) AS /*user_type*/) AND s.kind = CAST(:kind AS text)
        AND s.id <> :keep AND /*alive*/ AND s.authentication ->> 'actor' IS NULL
    ORDER BY s.created_at DESC, s.id DESC
    OFFSET CAST(:others AS integer)
)
RETURNING /*columns*/, NULL
