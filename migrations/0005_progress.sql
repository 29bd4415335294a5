-- Where every accepted event is.
--
-- Invariant 6: no accepted record is forgotten. The row is written with acceptance and finished with the last effect.

-- +goose Up

CREATE TABLE progress (
    tenant_id   uuid NOT NULL,
    event_uid   uuid NOT NULL,
    event_id    text NOT NULL, -- as the upstream gave it
    source      text,
    event_type  text NOT NULL,
    record_type text,
    record_key  text COLLATE "C",
    version_at  timestamptz,
    version_seq bigint,
    occurred_at timestamptz NOT NULL, -- event time
    accepted_at timestamptz NOT NULL DEFAULT now(),
    run_id      text NOT NULL,
    traceparent text NOT NULL,
    lane        text NOT NULL,
    stage       text, -- where it waits
    ingested_at timestamptz,
    judged_at   timestamptz,
    embedded_at timestamptz,
    indexed_at  timestamptz,
    finished_at timestamptz,
    ended_in    text, -- the stage that finished it
    outcome     text,
    reason      text,
    PRIMARY KEY (tenant_id, event_uid),
    CONSTRAINT stage_known CHECK (stage IN ('ingestion', 'quality', 'embedding', 'indexing')),
    CONSTRAINT outcome_known CHECK (outcome IN ('done', 'stale', 'quarantined', 'dead')),
    CONSTRAINT waiting_or_finished CHECK (
        (finished_at IS NULL) = (stage IS NOT NULL) AND num_nonnulls(finished_at, ended_in, outcome) IN (0, 3)),
    CONSTRAINT reason_unless_done CHECK ((reason IS NOT NULL) = (outcome IS NOT NULL AND outcome <> 'done')),
    -- An event that died before it could be read has no record. Every other has.
    CONSTRAINT record_unless_dead CHECK (
        outcome IS NOT DISTINCT FROM 'dead' OR num_nulls(source, record_type, record_key, version_at, version_seq) = 0)
) WITH (fillfactor = 45);
-- An event's row is rewritten at every stage, mostly together with those beside it, which came in the same batch. With
-- room in their page for all of them, and no index on what changes, that costs no new index entries (a HOT update).

-- Unfinished work. The stage is left out, or every stage would cost an index entry; there is never so much of it that
-- grouping by stage is slow.
CREATE INDEX progress_unfinished ON progress (tenant_id, occurred_at) WHERE finished_at IS NULL;

-- How many events ended where and why, kept with every ending so that nobody has to count all events there ever were.
-- A tenant's writers are spread over slots: they would queue for a single row.
CREATE TABLE endings (
    tenant_id uuid NOT NULL,
    slot      smallint NOT NULL,
    stage     text NOT NULL,
    outcome   text NOT NULL,
    reason    text NOT NULL, -- '' where the outcome is done
    events    bigint NOT NULL,
    PRIMARY KEY (tenant_id, slot, stage, outcome, reason),
    CONSTRAINT outcome_known CHECK (outcome IN ('done', 'stale', 'quarantined', 'dead')),
    CONSTRAINT counted CHECK (events > 0)
) WITH (fillfactor = 50);

SELECT isolate_tenants(relation) FROM unnest(ARRAY['progress', 'endings']::regclass[]) AS relation;

GRANT SELECT, INSERT, UPDATE ON progress, endings TO reos_app;

GRANT SELECT (tenant_id, stage, occurred_at, accepted_at, finished_at) ON progress TO reos_platform;
GRANT SELECT ON endings TO reos_platform;
CREATE POLICY platform_reads ON progress FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON endings FOR SELECT TO reos_platform USING (true);

-- +goose Down

DROP TABLE endings, progress;
