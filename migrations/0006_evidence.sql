-- What operators look at afterwards: dead letters, and how fresh each tenant's pipeline was.

-- +goose Up

-- Invariant 5: dead letters keep the original bytes and headers. These may be anything, so what a replay needs is
-- bytea: text and json refuse bytes that are not UTF-8. What describes a letter is text made printable.
--
-- No foreign key to tenants: a letter is never refused.
CREATE TABLE dead_letters (
    tenant_id       uuid NOT NULL,
    id              uuid NOT NULL, -- derived from the message
    event_uid       uuid, -- NULL where the envelope could not be read
    event_id        text NOT NULL,
    event_type      text NOT NULL,
    record_type     text NOT NULL,
    record_key      text NOT NULL,
    stage           text NOT NULL, -- '' = at the broker
    lane            text NOT NULL,
    reason          text NOT NULL,
    error           text NOT NULL,
    attempts        integer NOT NULL,
    routing_key     bytea NOT NULL,
    header_names    bytea[] NOT NULL,
    header_values   bytea[] NOT NULL,
    payload         bytea NOT NULL,
    run_id          text NOT NULL,
    first_failed_at timestamptz NOT NULL,
    failed_at       timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, id),
    CONSTRAINT reason_given CHECK (reason <> ''),
    CONSTRAINT headers_paired CHECK (cardinality(header_names) = cardinality(header_values))
);
CREATE INDEX dead_letters_newest ON dead_letters (tenant_id, failed_at, id);
CREATE INDEX dead_letters_by_reason ON dead_letters (tenant_id, reason, failed_at, id);

CREATE TABLE sli_history (
    tenant_id       uuid NOT NULL REFERENCES tenants,
    at              timestamptz NOT NULL,
    stage           text NOT NULL,
    waiting         bigint NOT NULL,
    oldest_occurred timestamptz, -- of what waits
    oldest_accepted timestamptz,
    done            bigint NOT NULL, -- ended at this stage since the beginning
    stale           bigint NOT NULL,
    quarantined     bigint NOT NULL,
    dead            bigint NOT NULL,
    PRIMARY KEY (tenant_id, at, stage),
    CONSTRAINT counted CHECK (least(waiting, done, stale, quarantined, dead) >= 0),
    CONSTRAINT oldest_where_waiting CHECK (num_nonnulls(oldest_occurred, oldest_accepted) = CASE waiting WHEN 0 THEN 0 ELSE 2 END)
);

SELECT isolate_tenants(relation) FROM unnest(ARRAY['dead_letters', 'sli_history']::regclass[]) AS relation;

GRANT SELECT, INSERT ON dead_letters TO reos_app;
GRANT SELECT ON sli_history TO reos_app;

GRANT SELECT ON dead_letters TO reos_platform;
GRANT INSERT ON sli_history TO reos_platform;
CREATE POLICY platform_reads ON dead_letters FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_writes ON sli_history FOR INSERT TO reos_platform WITH CHECK (true);

-- +goose Down

DROP TABLE sli_history, dead_letters;
