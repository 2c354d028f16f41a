-- Sessions that belong to a device: once that is so, it stays so, and the cookie alone is worthless.
ALTER TABLE /*schema*/coatcheck_sessions ADD COLUMN device_bound boolean NOT NULL DEFAULT false;

-- The public key of each such session's device, and the challenges that it may sign, each once. By the session's id,
-- for the session gets other tokens. No foreign key: that would forbid to truncate the sessions, or to divide them.
CREATE TABLE /*schema*/coatcheck_devices (
    session_id text COLLATE "C" PRIMARY KEY,
    thumbprint text NOT NULL,
    key text NOT NULL,
    challenges text NOT NULL
);
