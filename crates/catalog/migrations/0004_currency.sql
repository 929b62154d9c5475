-- One row: the currency that prices are in, so that nobody relabels them by another setting. Empty until the first
-- start.
CREATE TABLE catalog_currency (
    one BIGINT PRIMARY KEY CHECK (one = 1),
    currency TEXT NOT NULL
);
INSERT INTO catalog_currency (one, currency)
SELECT 1, COALESCE((SELECT currency FROM catalog_price GROUP BY currency ORDER BY COUNT(*) DESC, currency LIMIT 1), '');
