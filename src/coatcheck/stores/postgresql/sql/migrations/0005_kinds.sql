-- What a row is: a user's session, an API token, or what somebody has granted to an application. The token's hash knows
-- it already; this tells lists and limits.
ALTER TABLE /*schema*/coatcheck_sessions ADD COLUMN kind text NOT NULL DEFAULT 'session' CHECK (length(kind) BETWEEN 1 AND 32);
