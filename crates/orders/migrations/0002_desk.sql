-- What staff look for: orders in a state, of a payment in a state, newest first. A list of several states takes the
-- first rows of each pair of states, so that this one index serves them all, at any depth. The id is an expression here,
-- so that no planner walks along the primary key instead, where a rare pair is behind a million others.
CREATE INDEX orders_order_desk ON orders_order (status, payment_status, (id || '')) WHERE hidden = 0;
DROP INDEX orders_order_status;
-- Refused orders, which are forgotten after a while.
CREATE INDEX orders_order_hidden ON orders_order (id) WHERE hidden = 1;

-- When a call joined an order: its key is remembered as long as that of any other call.
ALTER TABLE orders_joined ADD COLUMN at BIGINT NOT NULL DEFAULT 0;
UPDATE orders_joined SET at = COALESCE((SELECT created_at FROM orders_order WHERE orders_order.id = orders_joined.order_id), 0);
CREATE INDEX orders_joined_at ON orders_joined (at);

-- Mails to buyers, one row each. `about` tells several of a kind apart: the refund that one speaks of.
CREATE TABLE orders_mail (
    order_id TEXT NOT NULL,
    kind TEXT NOT NULL, -- confirmed, shipped, cancelled, refunded
    about TEXT NOT NULL,
    amount BIGINT NOT NULL, -- what was refunded, in minor units; 0 for other kinds
    status TEXT NOT NULL, -- waiting, sent, failed
    tries BIGINT NOT NULL,
    due_at BIGINT NOT NULL, -- when it is (next) tried; while it is being sent, when others may
    fault TEXT, -- why the last try failed
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (order_id, kind, about)
);
CREATE INDEX orders_mail_due ON orders_mail (due_at) WHERE status = 'waiting';
CREATE INDEX orders_mail_old ON orders_mail (created_at);
