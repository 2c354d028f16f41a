-- Of the session that a token belongs to, all but the latest.
DELETE FROM coatcheck_retired
WHERE token_hash IN (
    SELECT token_hash FROM coatcheck_retired
    WHERE session_id = (SELECT session_id FROM coatcheck_retired WHERE token_hash = :old_hash)
    ORDER BY retired_at DESC
    LIMIT 1000000000 OFFSET :most
)
