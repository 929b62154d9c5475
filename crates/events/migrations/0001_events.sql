-- What happened, as everybody may read it. Written once, never changed.
CREATE TABLE events_event (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    source TEXT NOT NULL,
    subject TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    time BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data_version BIGINT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_event_time ON events_event (time, id);
CREATE INDEX events_event_kind ON events_event (kind, time, id);
CREATE INDEX events_event_subject ON events_event (subject, time, id);
