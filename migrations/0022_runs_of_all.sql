-- +goose Up

-- The platform's list of feeds over all tenants, newest first. Runs with items are few, and are read as a whole.
CREATE INDEX runs_by_time ON runs (started_at, id, tenant_id) WHERE kind NOT IN ('rerun', 'replay');

-- +goose Down

DROP INDEX runs_by_time;
