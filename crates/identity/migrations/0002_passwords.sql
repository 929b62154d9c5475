-- What a bcrypt hash that came from another system costs to verify (log2 of its rounds); null for our own hashes, and
-- gone with the first sign-in. As long as there is one, failed sign-ins of everybody do as much work.
ALTER TABLE identity_user ADD COLUMN bcrypt_cost BIGINT;
CREATE INDEX identity_user_bcrypt ON identity_user (bcrypt_cost) WHERE bcrypt_cost IS NOT NULL;

-- With what a session was begun, in two words (`Firefox on Linux`), so that its owner knows it again. No address, and
-- no more of the browser than that.
ALTER TABLE identity_session ADD COLUMN device TEXT;
CREATE INDEX identity_session_of ON identity_session (user_id, id);
DROP INDEX identity_session_user;

-- Mails to be sent; a row goes when its mail has been handed over. `user_id` is null where somebody asked for an account
-- that is not there: such a row makes the answers alike, and is dropped.
CREATE TABLE identity_mail (
    id TEXT PRIMARY KEY,
    user_id TEXT,
    kind TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX identity_mail_due ON identity_mail (due_at);
CREATE INDEX identity_mail_user ON identity_mail (user_id) WHERE user_id IS NOT NULL;

-- What lets somebody set a new password, by the digest of what the mail holds.
CREATE TABLE identity_reset (
    digest TEXT PRIMARY KEY,
    user_id TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX identity_reset_user ON identity_reset (user_id);
CREATE INDEX identity_reset_expiry ON identity_reset (expires_at);

-- Tries within the present minute, by a digest of what is tried, for which account and from where.
CREATE TABLE identity_try (
    key TEXT PRIMARY KEY,
    tries BIGINT NOT NULL,
    since BIGINT NOT NULL
);
CREATE INDEX identity_try_since ON identity_try (since);
