-- Sign-ins of one user go one after another, so that each counts those before it. A lock and no row: a user who has no
-- session yet has nothing else to be locked by.
SELECT pg_advisory_xact_lock(hashtextextended(:user_id, hashtext('/*schema*/coatcheck_sessions'))),
    current_setting('transaction_isolation')
