-- When unfinished work was last driven again from its row in progress.
--
-- Invariant 6: no accepted record is forgotten, even if the broker forgets its messages.

-- +goose Up

-- Neither column is indexed, so that marking a row stays a HOT update like every other one of it; unfinished rows are
-- found by progress_unfinished.
ALTER TABLE progress
    ADD COLUMN redriven_at timestamptz,
    ADD COLUMN redrives    integer NOT NULL DEFAULT 0, -- since it last moved
    ADD CONSTRAINT redrives_counted CHECK (redrives >= 0 AND (redrives > 0) = (redriven_at IS NOT NULL));

-- +goose Down

ALTER TABLE progress
    DROP CONSTRAINT redrives_counted,
    DROP COLUMN redrives,
    DROP COLUMN redriven_at;
