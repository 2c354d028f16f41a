CREATE TRIGGER coatcheck_better_auth_changed AFTER UPDATE OR DELETE ON /*sessions*/
FOR EACH ROW EXECUTE FUNCTION /*schema*/coatcheck_better_auth_changed(
    's:', '/*session.id*/', '/*session.updatedAt*/', '/*session.expiresAt*/'
);

CREATE TRIGGER coatcheck_better_auth_truncated AFTER TRUNCATE ON /*sessions*/
FOR EACH STATEMENT EXECUTE FUNCTION /*schema*/coatcheck_better_auth_changed();

CREATE TRIGGER coatcheck_better_auth_changed AFTER UPDATE OR DELETE ON /*users*/
FOR EACH ROW EXECUTE FUNCTION /*schema*/coatcheck_better_auth_changed('u:', '/*user.id*/', '/*user.updatedAt*/');

CREATE TRIGGER coatcheck_better_auth_truncated AFTER TRUNCATE ON /*users*/
FOR EACH STATEMENT EXECUTE FUNCTION /*schema*/coatcheck_better_auth_changed();
