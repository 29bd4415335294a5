-- What became of an event, from the moment that the API said it was accepted; and runs, which are many events of one
-- feed.

-- +goose Up

-- An event that the API accepted. Ingestion's row in progress comes a moment later and says all the rest.
--
-- A row less is no harm, so these are written without waiting for the disk.
CREATE TABLE receipts (
    tenant_id   uuid NOT NULL,
    event_uid   uuid NOT NULL,
    event_id    text NOT NULL, -- as the upstream gave it
    source      text NOT NULL,
    event_type  text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT now(), -- first: sent again, it is the same event
    received_by text NOT NULL, -- the token's subject
    run_id      text NOT NULL,
    lane        text NOT NULL,
    PRIMARY KEY (tenant_id, event_uid),
    CONSTRAINT lane_known CHECK (lane IN ('live', 'bulk'))
);
CREATE INDEX receipts_oldest ON receipts (tenant_id, received_at);

-- An id that is a UUID is the event's UID, and found by the primary key. The others have an index.
CREATE INDEX receipts_by_id ON receipts (tenant_id, event_id) WHERE event_id <> event_uid::text;
CREATE INDEX progress_by_id ON progress (tenant_id, event_id) WHERE event_id <> event_uid::text;

-- The letters of an event; and those whose envelope could not be read, which have at most an id.
CREATE INDEX dead_letters_by_event ON dead_letters (tenant_id, event_uid) WHERE event_uid IS NOT NULL;
CREATE INDEX dead_letters_by_id ON dead_letters (tenant_id, event_id) WHERE event_uid IS NULL;

-- A request that may be sent again: what was answered the first time.
CREATE TABLE idempotency_keys (
    tenant_id   uuid NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint bytea NOT NULL, -- SHA-256 of the request
    claim       uuid NOT NULL, -- of who works on it
    claimed_at  timestamptz NOT NULL DEFAULT now(),
    status      smallint, -- NULL until it is answered
    answer      bytea,
    PRIMARY KEY (tenant_id, key),
    CONSTRAINT key_length CHECK (octet_length(key) BETWEEN 1 AND 255),
    CONSTRAINT fingerprint_length CHECK (octet_length(fingerprint) = 32),
    CONSTRAINT answered_as_a_whole CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX idempotency_keys_oldest ON idempotency_keys (tenant_id, claimed_at);

-- Many events that are published together. Other kinds than feeds may follow.
CREATE TABLE runs (
    tenant_id   uuid NOT NULL,
    id          text COLLATE "C" NOT NULL, -- the events' runid
    kind        text NOT NULL,
    state       text NOT NULL,
    started_by  text NOT NULL,
    source      text NOT NULL, -- what was published
    lane        text NOT NULL,
    published   bigint NOT NULL DEFAULT 0, -- confirmed by the broker
    known       bigint NOT NULL DEFAULT 0, -- of them: accepted before, under another run
    rejected    bigint NOT NULL DEFAULT 0, -- no events
    problems    jsonb NOT NULL DEFAULT '[]', -- the first of the rejected
    error       text NOT NULL DEFAULT '', -- why it ended early
    started_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(), -- a publisher that lives says so
    finished_at timestamptz,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT id_length CHECK (octet_length(id) BETWEEN 1 AND 255),
    CONSTRAINT kind_given CHECK (kind <> ''),
    CONSTRAINT state_known CHECK (state IN ('publishing', 'published', 'interrupted', 'failed')),
    CONSTRAINT ends_once CHECK ((finished_at IS NULL) = (state = 'publishing')),
    CONSTRAINT error_where_cut_off CHECK ((error <> '') = (state IN ('interrupted', 'failed'))),
    CONSTRAINT lane_known CHECK (lane IN ('live', 'bulk')),
    CONSTRAINT counted CHECK (least(published, known, rejected) >= 0)
);
CREATE INDEX runs_newest ON runs (tenant_id, started_at, id);

-- The run of an event never changes, so that the index costs an entry per event and none per stage.
CREATE INDEX progress_by_run ON progress (tenant_id, run_id) WHERE run_id <> '';

SELECT isolate_tenants(relation) FROM unnest(ARRAY['receipts', 'idempotency_keys', 'runs']::regclass[]) AS relation;

GRANT SELECT, INSERT, DELETE ON receipts TO reos_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON idempotency_keys TO reos_app;
GRANT SELECT, INSERT, UPDATE ON runs TO reos_app;

-- +goose Down

DROP INDEX progress_by_run;
DROP TABLE runs, idempotency_keys;
DROP INDEX dead_letters_by_id, dead_letters_by_event, progress_by_id;
DROP TABLE receipts;
