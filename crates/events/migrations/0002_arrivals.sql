-- The order of arrival. The log is told by the clocks of its sources, in which a late event takes its place among those
-- that were read long ago; who follows the log must miss none and see none twice, and follows it by this.
-- Numbers grow in the order in which commits become visible (see `store::Tx::next_numbers`); some are left out.
ALTER TABLE events_event ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
UPDATE events_event SET seq = d.place
    FROM (SELECT id, row_number() OVER (ORDER BY time, id) AS place FROM events_event) AS d
    WHERE d.id = events_event.id;
INSERT INTO events_counter (name, value) SELECT 'arrivals', count(*) FROM events_event;
CREATE INDEX events_event_seq ON events_event (seq);
