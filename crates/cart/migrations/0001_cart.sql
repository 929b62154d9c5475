-- A user's cart; made at the first add. One row with all its lines: it is read whole, and each change of a line is a
-- change of the cart's version anyway.
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
    -- What is in it, [{id, variant, quantity, added_at}], in the order in which it was added.
    lines TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
-- By what never changes, so that a change of the cart leaves the index alone.
CREATE INDEX cart_cart_guest ON cart_cart (created_at) WHERE guest = 1;

-- What the last merge of a guest's cart into an account's did, so that a repeat answers the same.
CREATE TABLE cart_merge (
    from_user TEXT NOT NULL,
    to_user TEXT NOT NULL,
    merged TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (from_user, to_user)
);
CREATE INDEX cart_merge_at ON cart_merge (at);
