-- What is no session, so that live sessions can be counted without it. Nearly all rows are sessions, and not in here.
CREATE INDEX coatcheck_sessions_others ON coatcheck_sessions (idle_expires_at, kind) WHERE kind <> 'session';
