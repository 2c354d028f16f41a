-- What an anonymous visitor has stored, under a token that is to be replaced.
SELECT data FROM coatcheck_sessions WHERE token_hash = :replaces AND user_id IS NULL
