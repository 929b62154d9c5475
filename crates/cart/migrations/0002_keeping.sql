-- The day of the last change or visit, counted from 1970. Carts that lie for long are found by it. It changes once a day
-- at most, so that the other changes of a day leave the index alone.
ALTER TABLE cart_cart ADD COLUMN day BIGINT NOT NULL DEFAULT 0;
UPDATE cart_cart SET day = updated_at / 86400000000;
CREATE INDEX cart_cart_day ON cart_cart (guest, day);
DROP INDEX cart_cart_guest;
-- What a merge brought and the buyer has not acknowledged yet, as JSON; '' for nothing.
ALTER TABLE cart_cart ADD COLUMN notice TEXT NOT NULL DEFAULT '';
