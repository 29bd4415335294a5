-- What has ended is removed when it was kept long enough. See decision 21.

-- +goose Up

-- Finished rows, in the order in which they ended: what is to be removed is found at the beginning, and a page goes on
-- where the last one ended. An event costs one entry more, when it ends; that is no HOT update as it is.
--
-- All events there ever were are read once.
CREATE INDEX progress_finished ON progress (tenant_id, finished_at, event_uid) WHERE finished_at IS NOT NULL;

-- Invariant 6: no accepted record is forgotten. What is unfinished cannot be removed, whatever a statement says. A
-- tenant's deletion takes another role.
GRANT DELETE ON progress TO reos_app;
CREATE POLICY unfinished_stays ON progress AS RESTRICTIVE FOR DELETE TO reos_app USING (finished_at IS NOT NULL);

-- What became of a letter's replay is shown with the letter: its row stays as long as that.
CREATE INDEX dead_letters_by_replay ON dead_letters (tenant_id, replayed_event) WHERE replayed_event IS NOT NULL;
CREATE INDEX dead_letters_replayed ON dead_letters (tenant_id, replayed_at) WHERE replayed_at IS NOT NULL;

-- Of the events of a run whose rows were removed, how many ended where and why: a run's counts stay what they were.
CREATE TABLE run_removed (
    tenant_id uuid NOT NULL,
    run_id    text COLLATE "C" NOT NULL,
    stage     text NOT NULL,
    outcome   text NOT NULL,
    reason    text NOT NULL, -- '' where the outcome is done
    events    bigint NOT NULL,
    PRIMARY KEY (tenant_id, run_id, stage, outcome, reason),
    CONSTRAINT outcome_known CHECK (outcome IN ('done', 'stale', 'quarantined', 'dead')),
    CONSTRAINT counted CHECK (events > 0)
);
SELECT isolate_tenants('run_removed');
GRANT SELECT, INSERT, UPDATE, DELETE ON run_removed TO reos_app;

-- Runs whose items are not needed any more.
CREATE INDEX runs_settled ON runs (tenant_id, settled_at) WHERE settled_at IS NOT NULL;
GRANT DELETE ON run_items TO reos_app;

-- +goose Down

REVOKE DELETE ON run_items FROM reos_app;
DROP INDEX runs_settled;
DROP TABLE run_removed;
DROP INDEX dead_letters_replayed, dead_letters_by_replay;
DROP POLICY unfinished_stays ON progress;
REVOKE DELETE ON progress FROM reos_app;
DROP INDEX progress_finished;
