-- Categories are a tree. `path` holds the names from the root on, ` > ` between them; `lineage` the numbers from the
-- root to the category itself, as JSON.
CREATE TABLE catalog_category (
    id TEXT PRIMARY KEY,
    -- A number for people, and the label under which its products are listed.
    number BIGINT NOT NULL UNIQUE,
    parent_id TEXT REFERENCES catalog_category (id),
    name TEXT NOT NULL,
    handle TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    position BIGINT NOT NULL,
    path TEXT NOT NULL,
    lineage TEXT NOT NULL,
    -- Folded, to find it by.
    name_key TEXT NOT NULL,
    path_key TEXT NOT NULL UNIQUE,
    -- The number of its CategoryUpdated events.
    version BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX catalog_category_name ON catalog_category (name_key);
CREATE INDEX catalog_category_parent ON catalog_category (parent_id);

-- One row: the version of the tree. Every change of the tree raises it, so that changes of several processes stand in
-- a row.
CREATE TABLE catalog_tree (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    version BIGINT NOT NULL
);
INSERT INTO catalog_tree (one, version) VALUES (1, 1);

-- Tags that products have or had, each with the label under which its products are listed.
CREATE TABLE catalog_tag (
    number BIGINT PRIMARY KEY,
    tag_key TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL
);

-- Where a living product is listed: a row for each of its labels, with what lists sort by. Label 0 is the whole shop,
-- the others are the category with those above it, and the tags.
CREATE TABLE catalog_listing (
    label BIGINT NOT NULL,
    draft BIGINT NOT NULL CHECK (draft IN (0, 1)),
    number BIGINT NOT NULL,
    price_low BIGINT NOT NULL,
    name_key TEXT NOT NULL,
    PRIMARY KEY (label, draft, number)
) WITHOUT ROWID;
CREATE INDEX catalog_listing_price ON catalog_listing (label, draft, price_low, number);
CREATE INDEX catalog_listing_name ON catalog_listing (label, draft, name_key, number, price_low);

-- The category; products of before get theirs at the next start, and with it their listing.
ALTER TABLE catalog_product ADD COLUMN category_id TEXT;
CREATE INDEX catalog_product_unplaced ON catalog_product (number) WHERE category_id IS NULL AND status <> 'archived';

-- Lists no longer walk the products themselves.
DROP INDEX catalog_product_newest;
DROP INDEX catalog_product_price;
DROP INDEX catalog_product_name;
DROP INDEX catalog_product_category;
DROP INDEX catalog_product_category_price;
DROP INDEX catalog_product_category_name;

-- Why a clerk changed the stock, in the clerk's words.
ALTER TABLE catalog_movement ADD COLUMN note TEXT;
