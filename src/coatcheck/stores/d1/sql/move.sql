-- Give a session's token hash up for another, for the time in which a new session takes it over, or back.
UPDATE coatcheck_sessions SET token_hash = :to WHERE token_hash = :from
