-- Runs that work again on what is there: on stored records (rerun), or on dead letters (replay). Such a run is a frozen
-- selection; whoever leads releases its items bit by bit, and any process may die at any point.

-- +goose Up

ALTER TABLE runs
    ADD COLUMN stage       text NOT NULL DEFAULT '', -- where its items begin; '' = each at its own
    ADD COLUMN why         text NOT NULL DEFAULT '',
    ADD COLUMN ticket      text NOT NULL DEFAULT '', -- where somebody else keeps the story
    ADD COLUMN rate        double precision NOT NULL DEFAULT 0, -- events per second, over all tenants of the run; 0 = as they come
    ADD COLUMN canary      bigint NOT NULL DEFAULT 0, -- items that go first, and must end before any other goes
    ADD COLUMN stop_above  double precision NOT NULL DEFAULT 0, -- share of dead events that stops the run; 0 = none
    ADD COLUMN selection   jsonb, -- what was asked for
    ADD COLUMN digest      bytea, -- SHA-256 over the event_uid of the items, sorted
    ADD COLUMN selected    bigint NOT NULL DEFAULT 0, -- items
    ADD COLUMN released    bigint NOT NULL DEFAULT 0, -- of them: on their way, or ended
    ADD COLUMN ended       bigint NOT NULL DEFAULT 0, -- of those released
    ADD COLUMN dead        bigint NOT NULL DEFAULT 0, -- of those ended
    ADD COLUMN skipped     bigint NOT NULL DEFAULT 0, -- there was nothing to do for them any more
    ADD COLUMN cancelled   bigint NOT NULL DEFAULT 0,
    ADD COLUMN released_to bigint NOT NULL DEFAULT 0, -- no item up to this ordinal is still to be released
    ADD COLUMN settled_at  timestamptz, -- when the last of its released events had ended, and nobody need look any more
    DROP CONSTRAINT state_known,
    DROP CONSTRAINT ends_once,
    DROP CONSTRAINT error_where_cut_off,
    DROP CONSTRAINT counted,
    ADD CONSTRAINT state_known CHECK (CASE WHEN kind IN ('rerun', 'replay')
        THEN state IN ('planned', 'running', 'paused', 'cancelled', 'stopped', 'done')
        ELSE state IN ('publishing', 'published', 'interrupted', 'failed') END),
    ADD CONSTRAINT ends_once CHECK ((finished_at IS NULL) = (state IN ('publishing', 'planned', 'running', 'paused'))),
    ADD CONSTRAINT settled_at_the_end CHECK (settled_at IS NULL OR finished_at IS NOT NULL),
    ADD CONSTRAINT error_where_cut_off CHECK ((error <> '') = (state IN ('interrupted', 'failed', 'stopped'))),
    ADD CONSTRAINT stage_known CHECK (stage IN ('', 'ingestion', 'quality', 'embedding', 'indexing')),
    ADD CONSTRAINT explained CHECK (kind NOT IN ('rerun', 'replay') OR (why <> '' AND digest IS NOT NULL)),
    ADD CONSTRAINT digest_length CHECK (octet_length(digest) = 32),
    ADD CONSTRAINT pace CHECK (rate >= 0 AND canary >= 0 AND stop_above BETWEEN 0 AND 1),
    ADD CONSTRAINT canary_is_judged CHECK (canary = 0 OR stop_above > 0),
    ADD CONSTRAINT counted CHECK (
        least(published, known, rejected, selected, released, ended, dead, skipped, cancelled, released_to) >= 0
        AND dead <= ended AND ended <= released AND released + skipped + cancelled <= selected);

-- What the leading process looks for, over all tenants, twice a second.
CREATE INDEX runs_at_work ON runs (tenant_id, id) WHERE kind IN ('rerun', 'replay') AND state <> 'planned' AND settled_at IS NULL;

-- One event that a run brings about. No foreign key to runs: it would cost a look-up per row, and nobody but the deletion
-- of a tenant removes either.
CREATE TABLE run_items (
    tenant_id    uuid NOT NULL,
    run_id       text COLLATE "C" NOT NULL,
    ordinal      bigint NOT NULL, -- from 1, in the order of release
    event_uid    uuid NOT NULL, -- of the new event
    letter_id    uuid, -- the dead letter that is replayed
    cause_uid    uuid, -- the event that is worked on again, where that is known
    record_type  text, -- NULL of a letter that could not be read
    record_key   text COLLATE "C",
    version_at   timestamptz,
    version_seq  bigint,
    stage        text NOT NULL, -- where it begins
    state        text NOT NULL DEFAULT 'selected',
    published_at timestamptz, -- when the broker confirmed it last
    outcome      text, -- of its event
    reason       text NOT NULL DEFAULT '', -- of its event; why it was skipped
    PRIMARY KEY (tenant_id, run_id, ordinal),
    CONSTRAINT ordinal_positive CHECK (ordinal > 0),
    CONSTRAINT stage_known CHECK (stage IN ('ingestion', 'quality', 'embedding', 'indexing')),
    CONSTRAINT state_known CHECK (state IN ('selected', 'released', 'published', 'ended', 'skipped', 'cancelled')),
    CONSTRAINT outcome_known CHECK (outcome IN ('done', 'stale', 'quarantined', 'dead')),
    CONSTRAINT outcome_of_ended CHECK ((outcome IS NOT NULL) = (state = 'ended')),
    CONSTRAINT skipped_for_a_reason CHECK (state <> 'skipped' OR reason <> ''),
    -- Behind ingestion everything is about a version of a record; before it, about bytes that are kept somewhere.
    CONSTRAINT record_unless_letter CHECK (num_nulls(record_type, record_key, version_at, version_seq) = 0
        OR letter_id IS NOT NULL AND (stage = 'ingestion' OR state = 'skipped')),
    CONSTRAINT bytes_to_begin_with CHECK (stage <> 'ingestion' OR num_nonnulls(letter_id, cause_uid) > 0)
);

-- What is on its way: never many. The state makes it the better index for whoever asks for one, whatever the planner knows.
CREATE INDEX run_items_in_flight ON run_items (tenant_id, run_id, state, ordinal) WHERE state IN ('released', 'published');

SELECT isolate_tenants('run_items');

GRANT SELECT, INSERT, UPDATE ON run_items TO reos_app;

-- The leader looks for runs over all tenants, and operators list them. What records hold is in problems and selection.
GRANT SELECT (id, kind, started_by, source, lane, published, known, rejected, error, finished_at, stage, why, ticket, rate,
    canary, stop_above, digest, selected, released, ended, dead, skipped, cancelled, settled_at) ON runs TO reos_platform;

-- +goose Down

REVOKE SELECT (id, kind, started_by, source, lane, published, known, rejected, error, finished_at, stage, why, ticket, rate,
    canary, stop_above, digest, selected, released, ended, dead, skipped, cancelled, settled_at) ON runs FROM reos_platform;
DROP TABLE run_items;
DROP INDEX runs_at_work;
-- Such runs mean nothing here any more. FORCE would hide them from an owner who is no superuser.
ALTER TABLE runs NO FORCE ROW LEVEL SECURITY;
DELETE FROM runs WHERE kind IN ('rerun', 'replay');
ALTER TABLE runs FORCE ROW LEVEL SECURITY;
ALTER TABLE runs
    DROP CONSTRAINT settled_at_the_end, DROP CONSTRAINT stage_known, DROP CONSTRAINT explained, DROP CONSTRAINT digest_length,
    DROP CONSTRAINT pace, DROP CONSTRAINT canary_is_judged,
    DROP CONSTRAINT state_known, DROP CONSTRAINT ends_once, DROP CONSTRAINT error_where_cut_off, DROP CONSTRAINT counted,
    DROP COLUMN stage, DROP COLUMN why, DROP COLUMN ticket, DROP COLUMN rate, DROP COLUMN canary, DROP COLUMN stop_above,
    DROP COLUMN selection, DROP COLUMN digest, DROP COLUMN selected, DROP COLUMN released, DROP COLUMN ended, DROP COLUMN dead,
    DROP COLUMN skipped, DROP COLUMN cancelled, DROP COLUMN released_to, DROP COLUMN settled_at,
    ADD CONSTRAINT state_known CHECK (state IN ('publishing', 'published', 'interrupted', 'failed')),
    ADD CONSTRAINT ends_once CHECK ((finished_at IS NULL) = (state = 'publishing')),
    ADD CONSTRAINT error_where_cut_off CHECK ((error <> '') = (state IN ('interrupted', 'failed'))),
    ADD CONSTRAINT counted CHECK (least(published, known, rejected) >= 0);
