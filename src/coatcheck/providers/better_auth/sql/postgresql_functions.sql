-- Writes an entry with its owner's rights, for Better Auth's role has none on the log. It gets a text and sees no row: the
-- types of Better Auth's columns are its owner's, and their functions must run with nobody else's rights.
CREATE OR REPLACE FUNCTION /*schema*/coatcheck_better_auth_log(subject text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM /*log*/coatcheck_invalidate(subject);
END
$$;

-- What the triggers on Better Auth's tables do. The names of columns are arguments, and the conditions stand in here: a
-- condition of the trigger itself would make the database refuse a migration that drops a column or changes its type.
-- Whole rows are compared, so that a column which a later migration adds counts too. Where a column has another name by
-- now, everyone is asked about again: too much, and never too little.
CREATE OR REPLACE FUNCTION /*schema*/coatcheck_better_auth_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    kind CONSTANT text := TG_ARGV[0];
    key CONSTANT text := TG_ARGV[1];
    updated CONSTANT text := TG_ARGV[2];
    expires CONSTANT text := TG_ARGV[3];
    quiet CONSTANT text[] := ARRAY[updated, coalesce(expires, updated)];
    was jsonb;
    becomes jsonb;
    later boolean;
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        PERFORM /*schema*/coatcheck_better_auth_log('*');
        RETURN NULL;
    END IF;
    was := to_jsonb(OLD);
    IF TG_OP = 'UPDATE' THEN
        becomes := to_jsonb(NEW);
        -- A session that is used is given more time, and nothing else changes.
        IF was - quiet = becomes - quiet THEN
            IF expires IS NULL THEN
                RETURN NULL;
            ELSIF was ? expires THEN
                EXECUTE 'SELECT ($2).' || quote_ident(expires) || ' >= ($1).' || quote_ident(expires)
                INTO later USING OLD, NEW;
                IF later THEN
                    RETURN NULL;
                END IF;
            END IF;
        END IF;
        IF was -> key IS DISTINCT FROM becomes -> key THEN
            PERFORM /*schema*/coatcheck_better_auth_log(coalesce(kind || (becomes ->> key), '*'));
        END IF;
    END IF;
    PERFORM /*schema*/coatcheck_better_auth_log(coalesce(kind || (was ->> key), '*'));
    RETURN NULL;
END
$$;
