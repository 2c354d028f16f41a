-- A deletion, by whomever. Foreign keys are off in the sqlite3 shell unless somebody turns them on; that a user has gone
-- is therefore an entry of its own.
CREATE TRIGGER coatcheck_better_auth_/*session_table*/_deleted AFTER DELETE ON /*sessions*/
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD./*session.id*/);
END;

-- All but more time for a session that is used. A column that a later migration adds counts too, unless it changes in
-- the same statement as that.
CREATE TRIGGER coatcheck_better_auth_/*session_table*/_updated AFTER UPDATE ON /*sessions*/
WHEN (NEW./*session.expiresAt*/ > OLD./*session.expiresAt*/ AND /*session_same*/) IS NOT TRUE
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('s:' || OLD./*session.id*/);
    INSERT INTO coatcheck_log (subject)
    SELECT 's:' || NEW./*session.id*/ WHERE NEW./*session.id*/ IS NOT OLD./*session.id*/;
END;

CREATE TRIGGER coatcheck_better_auth_/*user_table*/_deleted AFTER DELETE ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('u:' || OLD./*user.id*/);
END;

CREATE TRIGGER coatcheck_better_auth_/*user_table*/_updated AFTER UPDATE ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('u:' || OLD./*user.id*/);
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || NEW./*user.id*/ WHERE NEW./*user.id*/ IS NOT OLD./*user.id*/;
END;

-- INSERT OR REPLACE and UPDATE OR REPLACE remove the rows in their way without firing a DELETE trigger.
CREATE TRIGGER coatcheck_better_auth_/*session_table*/_replaced_by_insert BEFORE INSERT ON /*sessions*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 's:' || /*session.id*/ FROM /*sessions*/ WHERE /*session_conflicts*/;
END;

CREATE TRIGGER coatcheck_better_auth_/*session_table*/_replaced_by_update BEFORE UPDATE ON /*sessions*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 's:' || /*session.id*/ FROM /*sessions*/
    WHERE (/*session_conflicts*/) AND /*session.id*/ IS NOT OLD./*session.id*/;
END;

CREATE TRIGGER coatcheck_better_auth_/*user_table*/_replaced_by_insert BEFORE INSERT ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || /*user.id*/ FROM /*users*/ WHERE /*user_conflicts*/;
END;

CREATE TRIGGER coatcheck_better_auth_/*user_table*/_replaced_by_update BEFORE UPDATE ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || /*user.id*/ FROM /*users*/
    WHERE (/*user_conflicts*/) AND /*user.id*/ IS NOT OLD./*user.id*/;
END;
