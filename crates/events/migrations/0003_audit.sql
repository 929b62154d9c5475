-- What staff, administrators and machines changed. Written once; the database itself refuses to change it.
CREATE TABLE events_audit (
    id TEXT PRIMARY KEY,
    time BIGINT NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    source TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- JSON objects of the fields that differ; '' for what did not exist, or does no more.
    was TEXT NOT NULL,
    became TEXT NOT NULL
);
CREATE INDEX events_audit_time ON events_audit (time, id);
CREATE INDEX events_audit_actor ON events_audit (actor, time, id);
CREATE INDEX events_audit_subject ON events_audit (subject, time, id);
CREATE INDEX events_audit_action ON events_audit (action, time, id);
-- sqlite:
CREATE TRIGGER events_audit_no_update BEFORE UPDATE ON events_audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER events_audit_no_delete BEFORE DELETE ON events_audit
BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- end
-- postgres:
CREATE FUNCTION events_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$;
CREATE TRIGGER events_audit_rows BEFORE UPDATE OR DELETE ON events_audit
    FOR EACH ROW EXECUTE FUNCTION events_audit_refuse();
CREATE TRIGGER events_audit_whole BEFORE TRUNCATE ON events_audit
    FOR EACH STATEMENT EXECUTE FUNCTION events_audit_refuse();
-- end
