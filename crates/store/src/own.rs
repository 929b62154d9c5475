//! The store's own tables, one set per service, and the SQL that uses them.

use crate::Dialect;

/// Makes the table that remembers migrations. Run at every start, before anything else is known.
pub(crate) fn bootstrap(service: &str) -> String {
    OF_MIGRATIONS.replace("{p}", service)
}

/// The store's migrations with the service's prefix filled in.
pub(crate) fn migrations(service: &str) -> Vec<(u32, &'static str, String)> {
    vec![
        (1, "0001_store", FIRST.replace("{p}", service)),
        (2, "0002_dead", DEAD_SOURCE.replace("{p}", service)),
    ]
}

const OF_MIGRATIONS: &str = "
CREATE TABLE IF NOT EXISTS {p}_migration (
    part TEXT NOT NULL,
    version BIGINT NOT NULL,
    name TEXT NOT NULL,
    checksum TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (part, version)
);";

const FIRST: &str = "
-- Keys of calls and events that were carried out, with the answer that was given.
CREATE TABLE {p}_once (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (scope, key)
);
CREATE INDEX {p}_once_at ON {p}_once (at);
-- Events in the order of their commits.
CREATE TABLE {p}_outbox (
    seq BIGINT PRIMARY KEY,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data TEXT NOT NULL
);
-- How far each subscriber got.
CREATE TABLE {p}_cursor (
    subscriber TEXT PRIMARY KEY,
    seq BIGINT NOT NULL
);
-- Who may do what only one process does at a time.
CREATE TABLE {p}_lease (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until BIGINT NOT NULL
);
-- Numbers for people, and the outbox's own.
CREATE TABLE {p}_counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
-- Events that a consumer could not take in.
CREATE TABLE {p}_dead (
    consumer TEXT NOT NULL,
    id TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    data TEXT NOT NULL,
    reason TEXT NOT NULL,
    buried_at BIGINT NOT NULL,
    PRIMARY KEY (consumer, id)
);";

const DEAD_SOURCE: &str = "
-- Who told the event: without it, it could not be told again as it was.
ALTER TABLE {p}_dead ADD COLUMN source TEXT NOT NULL DEFAULT '';";

/// Statements with the prefix filled in once.
pub(crate) struct OwnSql {
    pub(crate) count: String,
    pub(crate) once_find: String,
    pub(crate) once_keep: String,
    pub(crate) once_sweep: String,
    pub(crate) emit: String,
    pub(crate) outbox_after: String,
    pub(crate) outbox_last: String,
    pub(crate) outbox_sweep: String,
    pub(crate) cursor: String,
    pub(crate) cursor_move: String,
    pub(crate) cursor_rewind: String,
    pub(crate) lease: String,
    pub(crate) lease_drop: String,
    pub(crate) bury: String,
    pub(crate) dead: String,
    pub(crate) dead_letter: String,
    pub(crate) unbury: String,
    pub(crate) migration_lock: String,
    pub(crate) migration_guard: String,
    pub(crate) migration_list: String,
    pub(crate) migration_keep: String,
}

const EVENT: &str = "id, kind, subject, sequence, at, actor, request_id, data";

impl OwnSql {
    pub(crate) fn new(service: &str, dialect: Dialect) -> Self {
        let fill = |text: &str| text.replace("{p}", service).replace("{event}", EVENT);
        // The counter's row stays locked until the commit, so that the next committer of any process gets its
        // numbers only when ours are visible: nobody reads past an event that is still to come.
        let count = "INSERT INTO {p}_counter AS c (name, value) VALUES ($1, $2)
            ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value RETURNING value";
        let emit = match dialect {
            Dialect::Sqlite => "INSERT INTO {p}_outbox (seq, {event}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            Dialect::Postgres => {
                "WITH last AS (
                    INSERT INTO {p}_counter AS c (name, value) VALUES ('outbox', $1::BIGINT)
                    ON CONFLICT (name) DO UPDATE SET value = c.value + excluded.value RETURNING value
                )
                INSERT INTO {p}_outbox (seq, {event})
                SELECT last.value - $1::BIGINT + e.place,
                    e.id, e.kind, e.subject, e.sequence, e.at, e.actor, e.request_id, e.data
                FROM last, UNNEST($2::TEXT[], $3::TEXT[], $4::TEXT[], $5::BIGINT[], $6::BIGINT[], $7::TEXT[],
                    $8::TEXT[], $9::TEXT[]) WITH ORDINALITY
                    AS e (id, kind, subject, sequence, at, actor, request_id, data, place)"
            }
        };
        Self {
            count: fill(count),
            once_find: fill("SELECT fingerprint, answer FROM {p}_once WHERE scope = $1 AND key = $2"),
            once_keep: fill(
                "INSERT INTO {p}_once (scope, key, fingerprint, answer, at) VALUES ($1, $2, $3, $4, $5)
                ON CONFLICT (scope, key) DO NOTHING",
            ),
            once_sweep: fill(
                "DELETE FROM {p}_once WHERE (scope, key) IN
                (SELECT scope, key FROM {p}_once WHERE at < $1 ORDER BY at LIMIT $2)",
            ),
            emit: fill(emit),
            outbox_after: fill("SELECT seq, {event} FROM {p}_outbox WHERE seq > $1 ORDER BY seq LIMIT $2"),
            outbox_last: fill("SELECT value FROM {p}_counter WHERE name = 'outbox'"),
            outbox_sweep: fill(
                "DELETE FROM {p}_outbox WHERE seq IN
                (SELECT seq FROM {p}_outbox WHERE seq <= $1 AND at < $2 ORDER BY seq LIMIT $3)",
            ),
            cursor: fill("SELECT seq FROM {p}_cursor WHERE subscriber = $1"),
            cursor_move: fill(
                "INSERT INTO {p}_cursor AS c (subscriber, seq) VALUES ($1, $2)
                ON CONFLICT (subscriber) DO UPDATE SET seq = excluded.seq WHERE c.seq < excluded.seq",
            ),
            cursor_rewind: fill("UPDATE {p}_cursor SET seq = $2 WHERE subscriber = $1 AND seq > $2"),
            lease: fill(
                "INSERT INTO {p}_lease AS l (name, holder, until) VALUES ($1, $2, $3)
                ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
                WHERE l.holder = excluded.holder OR l.until <= $4",
            ),
            lease_drop: fill("DELETE FROM {p}_lease WHERE name = $1 AND holder = $2"),
            bury: fill(
                "INSERT INTO {p}_dead (consumer, {event}, reason, buried_at, source)
                VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (consumer, id) DO NOTHING",
            ),
            dead: fill(
                "SELECT consumer, {event}, reason, buried_at, source FROM {p}_dead
                WHERE consumer > $1 OR consumer = $1 AND id > $2 ORDER BY consumer, id LIMIT $3",
            ),
            dead_letter: fill(
                "SELECT consumer, {event}, reason, buried_at, source FROM {p}_dead WHERE consumer = $1 AND id = $2",
            ),
            unbury: fill("DELETE FROM {p}_dead WHERE consumer = $1 AND id = $2"),
            migration_lock: fill(
                "INSERT INTO {p}_migration (part, version, name, checksum, at) VALUES ('lock', 0, '', '', 0)
                ON CONFLICT (part, version) DO NOTHING",
            ),
            migration_guard: fill("UPDATE {p}_migration SET at = $1 WHERE part = 'lock'"),
            migration_list: fill("SELECT part, version, checksum FROM {p}_migration WHERE part <> 'lock'"),
            migration_keep: fill(
                "INSERT INTO {p}_migration (part, version, name, checksum, at) VALUES ($1, $2, $3, $4, $5)",
            ),
        }
    }
}
