-- On the application's own users table. Foreign keys are off in the sqlite3 shell unless somebody turns them on,
-- so a trigger, not the foreign key, ends the sessions of a deleted user.
CREATE TRIGGER coatcheck_user_deleted AFTER DELETE ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('u:' || OLD./*id*/);
    DELETE FROM coatcheck_sessions WHERE user_id = CAST(OLD./*id*/ AS TEXT);
END;

CREATE TRIGGER coatcheck_user_updated AFTER UPDATE OF /*columns*/ ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) VALUES ('u:' || OLD./*id*/);
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || NEW./*id*/ WHERE NEW./*id*/ IS NOT OLD./*id*/;
END;

-- OR REPLACE removes the users in its way without firing a DELETE trigger. Their copies are outdated here, and
-- a session whose user is not there any more is read as missing.
CREATE TRIGGER coatcheck_user_replaced_by_insert BEFORE INSERT ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || /*id*/ FROM /*users*/ WHERE /*conflicts*/;
END;

CREATE TRIGGER coatcheck_user_replaced_by_update BEFORE UPDATE ON /*users*/
BEGIN
    INSERT INTO coatcheck_log (subject) SELECT 'u:' || /*id*/ FROM /*users*/
    WHERE (/*conflicts*/) AND /*id*/ IS NOT OLD./*id*/;
END;
