-- Of the session that a token belongs to, all but the latest.
DELETE FROM /*schema*/coatcheck_retired
WHERE token_hash IN (
    SELECT token_hash FROM /*schema*/coatcheck_retired
    WHERE session_id = (SELECT session_id FROM /*schema*/coatcheck_retired WHERE token_hash = :old_hash)
    ORDER BY retired_at DESC
    OFFSET CAST(:most AS integer)
)
RETURNING session_id
