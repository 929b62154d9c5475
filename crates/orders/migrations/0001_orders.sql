-- Orders. Money is in minor units of the row's currency, times are microseconds since 1970.

CREATE TABLE orders_order (
    id TEXT NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    user_id TEXT NOT NULL,
    guest BIGINT NOT NULL,
    email TEXT,
    status TEXT NOT NULL,
    payment_status TEXT NOT NULL,
    payment_method TEXT NOT NULL,
    payment_token TEXT,
    payment_failure TEXT,
    -- How often payment was asked for; the version of the payment's standing that was last taken over.
    attempt BIGINT NOT NULL,
    payment_version BIGINT NOT NULL,
    subtotal BIGINT NOT NULL,
    discount BIGINT NOT NULL,
    shipping BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    total BIGINT NOT NULL,
    currency TEXT NOT NULL,
    prices_include_tax BIGINT NOT NULL,
    channel TEXT NOT NULL,
    locale TEXT,
    shipping_address TEXT,
    billing_address TEXT,
    metadata TEXT NOT NULL,
    -- What makes a repeated call the same order: the generation of a cart, or the caller's key.
    cart_id TEXT,
    cart_generation BIGINT,
    checkout_key TEXT,
    fingerprint TEXT,
    cancel_key TEXT,
    -- An order that was refused while it was placed is nobody's to see; `refusal` says why.
    hidden BIGINT NOT NULL,
    refusal TEXT,
    -- Events told so far: the sequence of the last one.
    sequence BIGINT NOT NULL,
    -- Guards every change.
    version BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- When somebody is to drive the order on; none when it is at rest.
    resume_at BIGINT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX orders_order_key ON orders_order (user_id, checkout_key) WHERE checkout_key IS NOT NULL;
-- A generation of a cart becomes at most one order that lives.
CREATE UNIQUE INDEX orders_order_cart ON orders_order (cart_id, cart_generation)
    WHERE cart_id IS NOT NULL AND status <> 'failed' AND status <> 'cancelled';
CREATE INDEX orders_order_user ON orders_order (user_id, id);
CREATE INDEX orders_order_status ON orders_order (status, id);
CREATE INDEX orders_order_resume ON orders_order (resume_at) WHERE resume_at IS NOT NULL;

-- Keys of calls that got an order which another call had placed from the same cart.
CREATE TABLE orders_joined (
    user_id TEXT NOT NULL,
    checkout_key TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    order_id TEXT NOT NULL,
    PRIMARY KEY (user_id, checkout_key)
);
CREATE INDEX orders_joined_order ON orders_joined (order_id);

CREATE TABLE orders_line (
    id TEXT NOT NULL PRIMARY KEY,
    order_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    product_id TEXT NOT NULL,
    variant_id TEXT NOT NULL,
    sku TEXT NOT NULL,
    name TEXT NOT NULL,
    price BIGINT NOT NULL,
    quantity BIGINT NOT NULL,
    fulfilled BIGINT NOT NULL,
    returned BIGINT NOT NULL,
    refunded BIGINT NOT NULL,
    discount BIGINT NOT NULL,
    -- In millionths: 190000 is 19 %.
    tax_rate BIGINT NOT NULL,
    tax BIGINT NOT NULL,
    UNIQUE (order_id, position)
);

CREATE TABLE orders_change (
    order_id TEXT NOT NULL,
    position BIGINT NOT NULL,
    status TEXT NOT NULL,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL,
    reason TEXT,
    request_id TEXT NOT NULL,
    PRIMARY KEY (order_id, position)
);

-- A parcel. That an order is shipped is derived from these.
CREATE TABLE orders_fulfilment (
    id TEXT NOT NULL PRIMARY KEY,
    order_id TEXT NOT NULL,
    lines TEXT NOT NULL,
    carrier TEXT,
    tracking TEXT,
    at BIGINT NOT NULL,
    actor TEXT NOT NULL
);
CREATE INDEX orders_fulfilment_order ON orders_fulfilment (order_id);
