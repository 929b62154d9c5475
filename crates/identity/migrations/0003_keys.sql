-- What staff may do, as a JSON list of words; null for the usual permissions of the role.
ALTER TABLE identity_user ADD COLUMN permissions TEXT;
-- Whether the words under which the user is found were written (1), and by which rules; 0 for users of before.
ALTER TABLE identity_user ADD COLUMN worded BIGINT NOT NULL DEFAULT 0;
CREATE INDEX identity_user_unworded ON identity_user (id) WHERE worded = 0;
CREATE INDEX identity_user_role ON identity_user (role, number);

-- Under which words users are found: what their names, addresses and numbers begin with, folded. The role is the
-- user's, so that one range of an index answers a search among one role.
CREATE TABLE identity_word (
    word TEXT NOT NULL,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    PRIMARY KEY (word, user_id)
) WITHOUT ROWID;
CREATE INDEX identity_word_role ON identity_word (role, word, user_id);
CREATE INDEX identity_word_user ON identity_word (user_id, word);

-- Keys of machines, by the digest of the secret. `used_at` is true to the hour.
CREATE TABLE identity_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    permissions TEXT NOT NULL,
    made_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    used_at BIGINT
);
CREATE UNIQUE INDEX identity_key_digest ON identity_key (digest);
