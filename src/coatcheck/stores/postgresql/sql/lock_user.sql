-- Sign-ins of one user go one after another, so that each counts those before it. A lock and no row: a user who has no
-- session yet has nothing else to be locked by. One id may be written in several ways, as a UUID can.
SELECT pg_advisory_xact_lock(
        hashtextextended(CAST(CAST(:user_id AS text) AS /*user_type*/)::text, hashtext('/*schema*/coatcheck_sessions'))
    ),
    current_setting('transaction_isolation')
