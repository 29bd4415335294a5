-- How fresh each tenant's data is: when its sources were last heard of, what counts as late, and what was measured.

-- +goose Up

-- When a source was last heard of, and how long it uses to be silent, is read from the first columns' ends: a few index
-- entries per source, however many events there were. None of them ever changes.
CREATE INDEX progress_by_source ON progress (tenant_id, source, lane, accepted_at) WHERE source IS NOT NULL;
GRANT SELECT (source, lane, redrives) ON progress TO reos_platform;

-- What is known of a source beside its events.
CREATE TABLE sources (
    tenant_id       uuid NOT NULL,
    source          text COLLATE "C" NOT NULL,
    heartbeat_at    timestamptz, -- of its newest heartbeat; NULL where it sends none
    heartbeat_every interval, -- that it promised
    longest_silence interval, -- between two live events of late, as far as learned
    learned_at      timestamptz,
    PRIMARY KEY (tenant_id, source),
    CONSTRAINT source_length CHECK (octet_length(source) BETWEEN 1 AND 255),
    CONSTRAINT promised_with_heartbeat CHECK (heartbeat_every IS NULL OR heartbeat_at IS NOT NULL),
    CONSTRAINT positive CHECK (heartbeat_every > interval '0' AND longest_silence > interval '0')
);

-- When data counts as late. What no row says is as the program's defaults say.
CREATE TABLE freshness_thresholds (
    tenant_id uuid NOT NULL,
    source    text COLLATE "C" NOT NULL, -- '' = all sources of the tenant without a row of their own
    late      interval NOT NULL,
    warning   interval NOT NULL,
    critical  interval NOT NULL,
    silence   interval, -- after which a source without a sign of life counts as silent; NULL = as learned
    set_at    timestamptz NOT NULL DEFAULT now(),
    set_by    text NOT NULL,
    PRIMARY KEY (tenant_id, source),
    CONSTRAINT source_length CHECK (octet_length(source) <= 255),
    CONSTRAINT in_order CHECK (interval '0' < late AND late < warning AND warning < critical),
    CONSTRAINT silence_positive CHECK (silence > interval '0'),
    CONSTRAINT signed CHECK (set_by <> '')
);

-- How long events took until search found them: per hour and tenant a histogram, whose buckets are the program's.
CREATE TABLE searchable_times (
    tenant_id uuid NOT NULL,
    hour      timestamptz NOT NULL,
    entry     text NOT NULL,
    buckets   bigint[] NOT NULL,
    PRIMARY KEY (tenant_id, hour, entry),
    CONSTRAINT entry_known CHECK (entry IN ('live', 'bulk'))
) WITH (fillfactor = 70);

-- How many of a tenant's properties have the fields that matter, when they were last looked through.
CREATE TABLE coverage (
    tenant_id   uuid PRIMARY KEY,
    measured_at timestamptz NOT NULL,
    ended       bigint NOT NULL, -- events that had ended by then: while there are no more, nothing has changed
    records     bigint NOT NULL,
    fields      text[] NOT NULL,
    present     bigint[] NOT NULL, -- records that have the field, in the fields' order
    CONSTRAINT counted CHECK (least(ended, records) >= 0 AND cardinality(fields) = cardinality(present))
);

SELECT isolate_tenants(relation) FROM unnest(ARRAY['sources', 'freshness_thresholds', 'searchable_times', 'coverage']::regclass[]) AS relation;

GRANT SELECT, INSERT, UPDATE ON sources, coverage TO reos_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON freshness_thresholds, searchable_times TO reos_app;
GRANT SELECT ON sources, freshness_thresholds, searchable_times, coverage TO reos_platform;
CREATE POLICY platform_reads ON sources FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON freshness_thresholds FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON searchable_times FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON coverage FOR SELECT TO reos_platform USING (true);

-- The history is thinned out as it grows older: of an hour, then of a day, its last row stays, and says the worst state.
ALTER TABLE sli_history ADD COLUMN state text NOT NULL DEFAULT 'unknown',
    ADD CONSTRAINT state_known CHECK (state IN ('fresh', 'late', 'warning', 'critical', 'unknown'));
GRANT UPDATE, DELETE ON sli_history TO reos_app;
GRANT SELECT ON sli_history TO reos_platform;
CREATE POLICY platform_reads ON sli_history FOR SELECT TO reos_platform USING (true);

GRANT SELECT (tenant_id, state, started_at, updated_at) ON runs TO reos_platform;
CREATE POLICY platform_reads ON runs FOR SELECT TO reos_platform USING (true);

-- Belong to the platform, not to tenants. Before ingestion nobody knows whose a message is: of a lane it is known
-- since when messages have waited without any being accepted.
CREATE TABLE lane_blocks (
    lane     text PRIMARY KEY,
    since    timestamptz NOT NULL,
    messages bigint NOT NULL,
    seen_at  timestamptz NOT NULL,
    doubted  boolean NOT NULL -- seen once only, or once since nobody looked: the messages may just have come
);
CREATE TABLE freshness_tracker (
    one          boolean PRIMARY KEY DEFAULT true CHECK (one),
    evaluated_at timestamptz NOT NULL
);
GRANT SELECT ON lane_blocks, freshness_tracker TO reos_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON lane_blocks TO reos_platform;
GRANT SELECT, INSERT, UPDATE ON freshness_tracker TO reos_platform;

-- +goose Down

DROP TABLE freshness_tracker, lane_blocks;
DROP POLICY platform_reads ON runs;
REVOKE SELECT (tenant_id, state, started_at, updated_at) ON runs FROM reos_platform;
DROP POLICY platform_reads ON sli_history;
REVOKE SELECT ON sli_history FROM reos_platform;
REVOKE UPDATE, DELETE ON sli_history FROM reos_app;
ALTER TABLE sli_history DROP COLUMN state; -- with its constraint
DROP TABLE coverage, searchable_times, freshness_thresholds, sources;
REVOKE SELECT (source, lane, redrives) ON progress FROM reos_platform;
DROP INDEX progress_by_source;
