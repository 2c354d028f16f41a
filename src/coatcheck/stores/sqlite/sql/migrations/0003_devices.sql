-- Sessions that belong to a device: once that is so, it stays so, and the cookie alone is worthless.
ALTER TABLE coatcheck_sessions ADD COLUMN device_bound INTEGER NOT NULL DEFAULT 0 CHECK (device_bound IN (0, 1));

-- The public key of each such session's device, and the challenges that it may sign, each once. By the session's id,
-- for the session gets other tokens.
CREATE TABLE coatcheck_devices (
    session_id TEXT NOT NULL PRIMARY KEY,
    thumbprint TEXT NOT NULL,
    key TEXT NOT NULL CHECK (json_valid(key)),
    challenges TEXT NOT NULL
) STRICT, WITHOUT ROWID;
