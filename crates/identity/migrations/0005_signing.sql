-- One row: the name of the key that signed when a process started last, so that one with other secrets is noticed.
CREATE TABLE identity_signing (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    kid TEXT NOT NULL
);
INSERT INTO identity_signing (one, kid) VALUES (1, '');
