-- The database writes the log itself, so that every program that ends or changes a session is seen. All run with their
-- owner's rights, for a role that may only delete must succeed, and name everything in full, for a temporary table of
-- the same name must not swallow the log.

CREATE OR REPLACE FUNCTION /*schema*/coatcheck_invalidate(subject text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    written integer := coalesce(nullif(current_setting('coatcheck.written', true), ''), '0')::integer + 1;
BEGIN
    -- A transaction that writes very many entries writes one for everyone. The setting only counts them; whether that
    -- entry is there, the log says.
    IF written > 1000 THEN
        IF EXISTS (SELECT 1 FROM /*schema*/coatcheck_log AS log
                   WHERE log.position = pg_current_xact_id()::text::bigint AND log.subject = '*') THEN
            RETURN;
        END IF;
        subject := '*';
    END IF;
    INSERT INTO /*schema*/coatcheck_log (subject) VALUES (subject);
    PERFORM set_config('coatcheck.written', written::text, true);
END
$$;

CREATE OR REPLACE FUNCTION /*schema*/coatcheck_session_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM /*schema*/coatcheck_retired;
        DELETE FROM /*schema*/coatcheck_devices;
        DELETE FROM /*schema*/coatcheck_impersonations;
        PERFORM /*schema*/coatcheck_invalidate('*');
        RETURN NULL;
    END IF;
    IF TG_OP = 'DELETE' THEN
        DELETE FROM /*schema*/coatcheck_retired WHERE session_id = OLD.id;
        DELETE FROM /*schema*/coatcheck_devices WHERE session_id = OLD.id AND OLD.device_bound;
    END IF;
    -- What somebody does as another user ends with the session they do it from, or when that becomes another's, and no
    -- later. In this order, sessions before what ties them, as whoever ends them one by one does.
    IF TG_OP = 'DELETE' OR NEW.id <> OLD.id OR NEW.user_id IS DISTINCT FROM OLD.user_id THEN
        DELETE FROM /*schema*/coatcheck_sessions
        WHERE id IN (SELECT session_id FROM /*schema*/coatcheck_impersonations WHERE actor_session_id = OLD.id);
        DELETE FROM /*schema*/coatcheck_impersonations WHERE session_id = OLD.id OR actor_session_id = OLD.id;
    ELSIF NEW.idle_expires_at < OLD.idle_expires_at OR NEW.expires_at < coalesce(OLD.expires_at, 'infinity') THEN
        UPDATE /*schema*/coatcheck_sessions SET expires_at = least(expires_at, NEW.idle_expires_at, NEW.expires_at)
        WHERE id IN (SELECT session_id FROM /*schema*/coatcheck_impersonations WHERE actor_session_id = OLD.id);
    END IF;
    -- The sweep, and nobody else, removes what has expired without an entry. Both are asked: the clock alone may be
    -- wrong for a while, and the setting alone could be made by anybody.
    IF TG_OP = 'DELETE' AND current_setting('coatcheck.quiet', true) = pg_current_xact_id()::text
        AND (OLD.idle_expires_at <= statement_timestamp() OR OLD.expires_at <= statement_timestamp()
             OR OLD.generation < /*schema*/coatcheck_generation()) THEN
        RETURN NULL;
    END IF;
    PERFORM /*schema*/coatcheck_invalidate('s:' || OLD.id);
    IF TG_OP = 'UPDATE' AND NEW.id <> OLD.id THEN
        PERFORM /*schema*/coatcheck_invalidate('s:' || NEW.id);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION /*schema*/coatcheck_user_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM /*schema*/coatcheck_invalidate('*');
        RETURN NULL;
    END IF;
    PERFORM /*schema*/coatcheck_invalidate('u:' || (OLD./*id*/)::text);
    IF TG_OP = 'DELETE' THEN
        DELETE FROM /*schema*/coatcheck_sessions WHERE user_id = OLD./*id*/;
    ELSIF NEW./*id*/ IS DISTINCT FROM OLD./*id*/ THEN
        PERFORM /*schema*/coatcheck_invalidate('u:' || (NEW./*id*/)::text);
    END IF;
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION /*schema*/coatcheck_notify() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- Without a payload: keys do not fit into its 8,000 bytes, and whoever is woken reads the log anyway.
    PERFORM pg_notify('/*channel*/', '');
    RETURN NULL;
END
$$;

-- Called by the first poll that finds no identity of this server's life and of these tables. What stands in the log as
-- written by transactions that have not been yet, came with a dump of another server: it would outdate every copy.
CREATE OR REPLACE FUNCTION /*schema*/coatcheck_begin_epoch() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    fresh text := replace(gen_random_uuid()::text, '-', '');
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('/*schema*/coatcheck_epoch', 0));
    IF EXISTS (SELECT 1 FROM /*schema*/coatcheck_epoch AS e WHERE /*this_life*/) THEN
        RETURN;
    END IF;
    DELETE FROM /*schema*/coatcheck_log WHERE position >= pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    UPDATE /*schema*/coatcheck_meta
    SET epoch = fresh, floor = least(floor, pg_snapshot_xmax(pg_current_snapshot())::text::bigint);
    DELETE FROM /*schema*/coatcheck_epoch;
    INSERT INTO /*schema*/coatcheck_epoch (one, epoch, started, place, sessions)
    SELECT 1, fresh, pg_postmaster_start_time(), pg_relation_filepath('/*schema*/coatcheck_epoch'),
        '/*schema*/coatcheck_sessions'::regclass;
END
$$;
