-- What can be bought. Archived products stay, since orders name them; SKU and handle are unique among the living.
CREATE TABLE catalog_product (
    id TEXT PRIMARY KEY,
    number BIGINT NOT NULL UNIQUE,
    handle TEXT NOT NULL,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    vendor TEXT,
    category TEXT NOT NULL,
    tags TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'draft', 'archived')),
    images TEXT NOT NULL,
    options TEXT NOT NULL,
    metadata TEXT NOT NULL,
    -- The catalogue version: 1, 2, 3 … with each event of the product.
    version BIGINT NOT NULL,
    -- Made of the columns above, for lists: the lowest price of the living variants, and folded texts.
    price_low BIGINT NOT NULL,
    name_key TEXT NOT NULL,
    category_key TEXT NOT NULL,
    tags_key TEXT NOT NULL,
    search_text TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX catalog_product_handle ON catalog_product (handle) WHERE status <> 'archived';
CREATE INDEX catalog_product_newest ON catalog_product (number) WHERE status = 'active';
CREATE INDEX catalog_product_price ON catalog_product (price_low, number) WHERE status = 'active';
CREATE INDEX catalog_product_name ON catalog_product (name_key, number) WHERE status = 'active';
CREATE INDEX catalog_product_category ON catalog_product (category_key, number) WHERE status = 'active';
CREATE INDEX catalog_product_category_price ON catalog_product (category_key, price_low, number) WHERE status = 'active';
CREATE INDEX catalog_product_category_name ON catalog_product (category_key, name_key, number) WHERE status = 'active';

-- Handles that a living product had before; they lead on to it.
CREATE TABLE catalog_handle (
    handle TEXT PRIMARY KEY,
    product_id TEXT NOT NULL REFERENCES catalog_product (id)
) WITHOUT ROWID;
CREATE INDEX catalog_handle_product ON catalog_handle (product_id);

-- What is sold: one choice of a product's options. `choice` is the chosen values in the options' order, as JSON.
CREATE TABLE catalog_variant (
    id TEXT PRIMARY KEY,
    product_id TEXT NOT NULL REFERENCES catalog_product (id),
    position BIGINT NOT NULL,
    sku TEXT NOT NULL,
    choice TEXT NOT NULL,
    barcode TEXT,
    weight BIGINT,
    weight_unit TEXT,
    requires_shipping BIGINT NOT NULL,
    tax_category TEXT,
    metadata TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    archived_at BIGINT
);
CREATE UNIQUE INDEX catalog_variant_sku ON catalog_variant (sku) WHERE archived_at IS NULL;
CREATE INDEX catalog_variant_product ON catalog_variant (product_id, position);

-- One price list, `default`, for now.
CREATE TABLE catalog_price (
    variant_id TEXT NOT NULL REFERENCES catalog_variant (id),
    currency TEXT NOT NULL,
    price_list TEXT NOT NULL,
    price_minor BIGINT NOT NULL CHECK (price_minor >= 0),
    compare_at_minor BIGINT CHECK (compare_at_minor >= 0),
    PRIMARY KEY (variant_id, currency, price_list)
) WITHOUT ROWID;

-- What there is. One location, `main`, for now. `oversell` is the inventory policy `continue`.
CREATE TABLE catalog_stock (
    variant_id TEXT NOT NULL REFERENCES catalog_variant (id),
    location TEXT NOT NULL,
    on_hand BIGINT NOT NULL,
    reserved BIGINT NOT NULL CHECK (reserved >= 0),
    tracked BIGINT NOT NULL CHECK (tracked IN (0, 1)),
    oversell BIGINT NOT NULL CHECK (oversell IN (0, 1)),
    -- The stock version: the number of the last movement.
    version BIGINT NOT NULL,
    -- The number of InventoryAdjusted events of this row.
    adjustments BIGINT NOT NULL,
    PRIMARY KEY (variant_id, location),
    CHECK (oversell = 1 OR reserved <= on_hand)
) WITHOUT ROWID;

-- The ledger: a row for each change of `on_hand` or `reserved`, numbered per stock row without gaps.
CREATE TABLE catalog_movement (
    variant_id TEXT NOT NULL,
    location TEXT NOT NULL,
    version BIGINT NOT NULL,
    reason TEXT NOT NULL
        CHECK (reason IN ('received', 'adjusted', 'set', 'reserved', 'released', 'settled', 'restocked')),
    on_hand_change BIGINT NOT NULL,
    reserved_change BIGINT NOT NULL,
    on_hand BIGINT NOT NULL,
    reserved BIGINT NOT NULL,
    order_id TEXT,
    actor TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (variant_id, location, version)
) WITHOUT ROWID;

-- What an order holds: one row, whatever is asked how often. `lines` is [{variant, quantity, counted}].
CREATE TABLE catalog_reservation (
    order_id TEXT PRIMARY KEY,
    state TEXT NOT NULL CHECK (state IN ('reserved', 'settled', 'undone')),
    lines TEXT NOT NULL,
    -- The number of events of this reservation: InventoryReserved is 1, InventoryReleased 2.
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
) WITHOUT ROWID;
