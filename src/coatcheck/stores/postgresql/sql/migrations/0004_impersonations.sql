-- Which sessions end with another one: what somebody does as another user, with the session that they do it from. The
-- trigger, and no foreign key, sees to it: sessions may be divided into partitions, and may be truncated.
CREATE TABLE /*schema*/coatcheck_impersonations (
    session_id text COLLATE "C" PRIMARY KEY,
    actor_session_id text COLLATE "C" NOT NULL
);
CREATE INDEX coatcheck_impersonations_actor ON /*schema*/coatcheck_impersonations (actor_session_id);
