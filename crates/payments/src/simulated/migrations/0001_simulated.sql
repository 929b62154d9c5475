-- Charges, each under the key that the shop gave it. Refused and voided ones too: a key has one outcome for good.
CREATE TABLE simulated_charge (
    key TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    amount BIGINT NOT NULL,
    currency TEXT NOT NULL, -- XXX (ISO 4217: no currency) when voided before it came
    status TEXT NOT NULL, -- captured, declined, voided
    failure_code TEXT,
    failure_detail TEXT,
    refunded BIGINT NOT NULL CHECK (refunded >= 0 AND refunded <= amount),
    created_at BIGINT NOT NULL
);

-- How often a key that must fail a few times has failed.
CREATE TABLE simulated_fault (
    key TEXT PRIMARY KEY,
    count BIGINT NOT NULL
);

CREATE TABLE simulated_refund (
    key TEXT PRIMARY KEY,
    charge_key TEXT NOT NULL,
    amount BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Webhooks on their way to the shop, when they are switched on.
CREATE TABLE simulated_webhook (
    id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL
);
CREATE INDEX simulated_webhook_due ON simulated_webhook (due_at);
