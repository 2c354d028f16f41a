-- On each table: the sessions table, and its partitions where somebody has divided it.
CREATE TRIGGER coatcheck_deleted AFTER DELETE ON /*schema*/coatcheck_sessions
FOR EACH ROW EXECUTE FUNCTION /*schema*/coatcheck_session_changed();

-- A change of anything but last-seen and idle expiry moving forwards, which is what a touch does.
CREATE TRIGGER coatcheck_updated AFTER UPDATE ON /*schema*/coatcheck_sessions
FOR EACH ROW WHEN (
    OLD.id IS DISTINCT FROM NEW.id
    OR OLD.token_hash IS DISTINCT FROM NEW.token_hash
    OR OLD.user_id IS DISTINCT FROM NEW.user_id
    OR OLD.created_at IS DISTINCT FROM NEW.created_at
    OR OLD.authenticated_at IS DISTINCT FROM NEW.authenticated_at
    OR OLD.expires_at IS DISTINCT FROM NEW.expires_at
    OR OLD.idle_timeout IS DISTINCT FROM NEW.idle_timeout
    OR OLD.remember IS DISTINCT FROM NEW.remember
    OR OLD.ip IS DISTINCT FROM NEW.ip
    OR OLD.user_agent IS DISTINCT FROM NEW.user_agent
    OR OLD.data IS DISTINCT FROM NEW.data
    OR OLD.authentication IS DISTINCT FROM NEW.authentication
    OR OLD.device_bound IS DISTINCT FROM NEW.device_bound
    OR OLD.generation IS DISTINCT FROM NEW.generation
    OR NEW.last_seen_at < OLD.last_seen_at
    OR NEW.idle_expires_at < OLD.idle_expires_at
) EXECUTE FUNCTION /*schema*/coatcheck_session_changed();

CREATE TRIGGER coatcheck_truncated AFTER TRUNCATE ON /*schema*/coatcheck_sessions
FOR EACH STATEMENT EXECUTE FUNCTION /*schema*/coatcheck_session_changed();

CREATE TRIGGER coatcheck_logged AFTER INSERT ON /*schema*/coatcheck_log
FOR EACH STATEMENT EXECUTE FUNCTION /*schema*/coatcheck_notify();
