-- One payment an order. Its row decides what may happen; every change of it checks `revision`.
CREATE TABLE payments_payment (
    id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL UNIQUE,
    user_id TEXT, -- none: a tombstone, left where an order was undone before anything was tried
    amount BIGINT NOT NULL CHECK (amount >= 0), -- what is due, in minor units
    currency TEXT NOT NULL,
    method TEXT NOT NULL,
    provider TEXT NOT NULL,
    status TEXT NOT NULL,
    captured BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    refunding BIGINT NOT NULL, -- asked of the provider, not confirmed yet
    paid_by TEXT, -- the attempt that brought the money
    trying TEXT, -- the attempt whose outcome is not known yet
    closed BIGINT NOT NULL, -- 1: the order was undone, nothing may be captured any more
    failure_code TEXT,
    failure_detail TEXT,
    version BIGINT NOT NULL, -- events told so far; the sequence of the last one
    revision BIGINT NOT NULL, -- changes of the row so far
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    CHECK (refunded >= 0 AND refunding >= 0 AND refunded + refunding <= captured)
);

-- Tries. The id is the key by which the provider knows the try; it is committed before the provider is called.
CREATE TABLE payments_attempt (
    id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    order_id TEXT NOT NULL,
    number BIGINT NOT NULL,
    status TEXT NOT NULL, -- open, unknown, captured, declined, failed, voided
    token TEXT, -- gone once the outcome is known
    charge TEXT, -- the provider's name for what it captured
    failure_code TEXT,
    failure_detail TEXT,
    tries BIGINT NOT NULL, -- how often it was taken up again
    resume_at BIGINT NOT NULL, -- from then on nobody drives it
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    UNIQUE (order_id, number)
);
CREATE UNIQUE INDEX payments_attempt_live ON payments_attempt (order_id) WHERE status IN ('open', 'unknown');
CREATE INDEX payments_attempt_resume ON payments_attempt (resume_at) WHERE status IN ('open', 'unknown');

-- What the provider captured, one row a try.
CREATE TABLE payments_capture (
    attempt_id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0),
    charge TEXT NOT NULL,
    surplus BIGINT NOT NULL, -- 1: nobody owed it; it is given back by itself and is not in the payment's tallies
    created_at BIGINT NOT NULL
);
CREATE INDEX payments_capture_payment ON payments_capture (payment_id);

-- What is given back. The id is the key by which the provider knows it; pending before the provider is called.
CREATE TABLE payments_refund (
    id TEXT PRIMARY KEY,
    payment_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL, -- whose capture it gives back
    amount BIGINT NOT NULL CHECK (amount > 0),
    surplus BIGINT NOT NULL,
    status TEXT NOT NULL, -- pending, completed, failed
    reason TEXT,
    tries BIGINT NOT NULL,
    resume_at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX payments_refund_payment ON payments_refund (payment_id);
CREATE INDEX payments_refund_resume ON payments_refund (resume_at) WHERE status = 'pending';

-- Webhooks, once each. One that names no try of ours waits for it.
CREATE TABLE payments_inbox (
    provider TEXT NOT NULL,
    id TEXT NOT NULL,
    subject TEXT NOT NULL, -- the attempt or refund it speaks of
    notice TEXT NOT NULL, -- what it says, as JSON
    received_at BIGINT NOT NULL,
    matched_at BIGINT,
    PRIMARY KEY (provider, id)
);
CREATE INDEX payments_inbox_waiting ON payments_inbox (subject) WHERE matched_at IS NULL;
CREATE INDEX payments_inbox_age ON payments_inbox (received_at);
