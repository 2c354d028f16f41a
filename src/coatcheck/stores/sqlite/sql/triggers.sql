-- The database writes the log itself, so that every program that ends or changes a session is seen.

-- A deletion. Whether the row has expired is not asked: a clock that is wrong for a while must not hide it.
CREATE TRIGGER coatcheck_deleted AFTER DELETE ON coatcheck_sessions
WHEN (SELECT quiet FROM coatcheck_meta) IS NOT 1
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD.id);
END;

-- A session's retired tokens go with it.
CREATE TRIGGER coatcheck_retired_deleted AFTER DELETE ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_retired WHERE session_id = OLD.id;
END;

-- A change of anything but last-seen and idle expiry moving forwards, which is what a touch does.
CREATE TRIGGER coatcheck_updated AFTER UPDATE ON coatcheck_sessions
WHEN OLD.id IS NOT NEW.id
    OR OLD.token_hash IS NOT NEW.token_hash
    OR OLD.user_id IS NOT NEW.user_id
    OR OLD.created_at IS NOT NEW.created_at
    OR OLD.authenticated_at IS NOT NEW.authenticated_at
    OR OLD.expires_at IS NOT NEW.expires_at
    OR OLD.idle_timeout IS NOT NEW.idle_timeout
    OR OLD.remember IS NOT NEW.remember
    OR OLD.ip IS NOT NEW.ip
    OR OLD.user_agent IS NOT NEW.user_agent
    OR OLD.data IS NOT NEW.data
    OR OLD.authentication IS NOT NEW.authentication
    OR OLD.device_bound IS NOT NEW.device_bound
    OR NEW.last_seen_at < OLD.last_seen_at
    OR NEW.idle_expires_at < OLD.idle_expires_at
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD.id);
    INSERT INTO coatcheck_log (subject) SELECT 's:' || NEW.id WHERE NEW.id IS NOT OLD.id;
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE remove the rows in their way without firing a DELETE trigger.
CREATE TRIGGER coatcheck_replaced_by_insert BEFORE INSERT ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id;
    DELETE FROM coatcheck_retired
    WHERE session_id IN (SELECT id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id);
END;

CREATE TRIGGER coatcheck_replaced_by_update BEFORE UPDATE OF id, token_hash ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || id FROM coatcheck_sessions
    WHERE (token_hash = NEW.token_hash OR id = NEW.id) AND id IS NOT OLD.id;
END;

-- A device goes with its session, whoever deletes it, and whether or not that is logged.
CREATE TRIGGER coatcheck_device_gone AFTER DELETE ON coatcheck_sessions WHEN OLD.device_bound
BEGIN
    DELETE FROM coatcheck_devices WHERE session_id = OLD.id;
END;

-- What somebody does as another user ends with the session they do it from, whoever deletes that. A sweep writes no
-- entries, but what ends here need not have been over.
CREATE TRIGGER coatcheck_acting_gone AFTER DELETE ON coatcheck_sessions
BEGIN
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id;
    DELETE FROM coatcheck_sessions
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id);
    DELETE FROM coatcheck_impersonations WHERE session_id = OLD.id OR actor_session_id = OLD.id;
END;

-- It ends when that session becomes another's, too.
CREATE TRIGGER coatcheck_acting_for_another AFTER UPDATE OF id, user_id ON coatcheck_sessions
WHEN OLD.id IS NOT NEW.id OR OLD.user_id IS NOT NEW.user_id
BEGIN
    DELETE FROM coatcheck_sessions
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = OLD.id);
    DELETE FROM coatcheck_impersonations WHERE session_id = OLD.id OR actor_session_id = OLD.id;
END;

-- And it ends no later than that session, when that is to end earlier than before.
CREATE TRIGGER coatcheck_acting_shortened AFTER UPDATE OF idle_expires_at, expires_at ON coatcheck_sessions
WHEN NEW.idle_expires_at < OLD.idle_expires_at
    OR (NEW.expires_at IS NOT NULL AND (OLD.expires_at IS NULL OR NEW.expires_at < OLD.expires_at))
BEGIN
    UPDATE coatcheck_sessions
    SET expires_at = min(expires_at, NEW.idle_expires_at, coalesce(NEW.expires_at, NEW.idle_expires_at))
    WHERE id IN (SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id = NEW.id);
END;

CREATE TRIGGER coatcheck_acting_replaced_by_insert BEFORE INSERT ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_sessions WHERE id IN (
        SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id IN (
            SELECT id FROM coatcheck_sessions WHERE token_hash = NEW.token_hash OR id = NEW.id
        )
    );
END;

CREATE TRIGGER coatcheck_acting_replaced_by_update BEFORE UPDATE OF id, token_hash ON coatcheck_sessions
BEGIN
    DELETE FROM coatcheck_sessions WHERE id IN (
        SELECT session_id FROM coatcheck_impersonations WHERE actor_session_id IN (
            SELECT id FROM coatcheck_sessions
            WHERE (token_hash = NEW.token_hash OR id = NEW.id) AND id IS NOT OLD.id
        )
    );
END;
