-- Customers, clerks, and guests who have ordered. `username_key` and `email_key` are folded: what people take for
-- the same name is the same name. `version` grows with each change (it is the ETag); `told` with each event about
-- the user, so that events are numbered without gaps.
CREATE TABLE identity_user (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL,
    version BIGINT NOT NULL,
    told BIGINT NOT NULL,
    username TEXT,
    username_key TEXT,
    email TEXT,
    email_key TEXT,
    name TEXT,
    first_name TEXT,
    last_name TEXT,
    phone TEXT,
    role TEXT NOT NULL,
    password_hash TEXT,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX identity_user_number ON identity_user (number);
CREATE UNIQUE INDEX identity_user_username ON identity_user (username_key);
CREATE UNIQUE INDEX identity_user_email ON identity_user (email_key);
CREATE INDEX identity_user_crew ON identity_user (role) WHERE role IN ('staff', 'admin');

-- Sessions that live. `last_spent` is the digest of the refresh token that was traded last, `spent_at` when, and
-- `repeats` how often it was traded again.
CREATE TABLE identity_session (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    last_spent TEXT,
    spent_at BIGINT,
    repeats BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX identity_session_user ON identity_session (user_id);
CREATE INDEX identity_session_expiry ON identity_session (expires_at);

-- Refresh tokens by their digest; spent ones stay until they would have expired, so that a stolen one is noticed.
CREATE TABLE identity_refresh (
    digest TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    spent_at BIGINT,
    expires_at BIGINT NOT NULL
);
CREATE INDEX identity_refresh_expiry ON identity_refresh (expires_at);

-- Sessions that ended before their access tokens expired, in the order in which they did.
CREATE TABLE identity_ended (
    seq BIGINT PRIMARY KEY,
    session_id TEXT NOT NULL,
    ended_at BIGINT NOT NULL
);
CREATE INDEX identity_ended_at ON identity_ended (ended_at);

-- Guests whose cart and orders go to an account: what is still to be done.
CREATE TABLE identity_merge (
    guest_id TEXT PRIMARY KEY,
    session_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX identity_merge_due ON identity_merge (due_at);

-- Failed sign-ins, by a digest of account and address.
CREATE TABLE identity_attempt (
    key TEXT PRIMARY KEY,
    failures BIGINT NOT NULL,
    last_at BIGINT NOT NULL
);
CREATE INDEX identity_attempt_last ON identity_attempt (last_at);
