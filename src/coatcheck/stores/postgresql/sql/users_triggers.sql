CREATE TRIGGER coatcheck_user_deleted AFTER DELETE ON /*users*/
FOR EACH ROW EXECUTE FUNCTION /*schema*/coatcheck_user_changed();

CREATE TRIGGER coatcheck_user_updated AFTER UPDATE ON /*users*/
FOR EACH ROW WHEN (/*changed*/) EXECUTE FUNCTION /*schema*/coatcheck_user_changed();

CREATE TRIGGER coatcheck_user_truncated AFTER TRUNCATE ON /*users*/
FOR EACH STATEMENT EXECUTE FUNCTION /*schema*/coatcheck_user_changed();
