-- Whether a message may reach no queue depends on its routing key, so the program knows it, not a column: freshness reports
-- need no listener, nor does the last that a stage says of an event. Queues that nobody consumes any more are deleted when
-- the topology is declared.

-- +goose Up
ALTER TABLE pgqueue.exchanges DROP COLUMN optional;

-- +goose Down
ALTER TABLE pgqueue.exchanges ADD COLUMN optional boolean NOT NULL DEFAULT false;
