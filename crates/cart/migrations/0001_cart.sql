-- A user's cart; made at the first add.
CREATE TABLE cart_cart (
    id TEXT PRIMARY KEY,
    user_id TEXT NOT NULL UNIQUE,
    -- 1 when a guest began it. Nobody comes back to such a cart when the session is over: it is forgotten after a time.
    guest BIGINT NOT NULL,
    -- Grows when the cart becomes an order, is emptied, or is moved into another: orders are unique on it.
    generation BIGINT NOT NULL,
    -- Grows with every change; guards writes and names the cart's state.
    version BIGINT NOT NULL,
    -- Events told of this cart: the sequence of the last one.
    told BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- By what never changes, so that a change of the cart leaves the index alone.
CREATE INDEX cart_cart_guest ON cart_cart (created_at) WHERE guest = 1;

-- What is in it. No foreign key: a line is written in one breath with its cart's guarded row, and never apart from it.
CREATE TABLE cart_line (
    cart_id TEXT NOT NULL,
    variant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    quantity BIGINT NOT NULL CHECK (quantity BETWEEN 1 AND 9999),
    -- Lines keep the order in which they were added.
    place BIGINT NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (cart_id, variant_id)
);

-- What the last merge of a guest's cart into an account's did, so that a repeat answers the same.
CREATE TABLE cart_merge (
    from_user TEXT NOT NULL,
    to_user TEXT NOT NULL,
    merged TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (from_user, to_user)
);
CREATE INDEX cart_merge_at ON cart_merge (at);
