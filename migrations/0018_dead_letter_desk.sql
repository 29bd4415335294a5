-- Dead letters in groups, and what operators do with them.

-- +goose Up

-- A letter is of one kind, by its reason alone, and of one group: the fingerprint of its stage, reason and error without
-- what differs from one message to the next. The program computes both. Letters that were there before get a group per
-- stage and reason: their errors are not read again.
--
-- FORCE would hide the rows from an owner who is no superuser.
ALTER TABLE dead_letters NO FORCE ROW LEVEL SECURITY;
ALTER TABLE dead_letters
    ADD COLUMN kind           text,
    ADD COLUMN fingerprint    text COLLATE "C",
    ADD COLUMN version_at     timestamptz, -- of the record, where the message said it
    ADD COLUMN version_seq    bigint,
    ADD COLUMN worker_version text NOT NULL DEFAULT '', -- of the program that gave up; '' = the broker did, or nobody knows
    ADD COLUMN traceparent    text NOT NULL DEFAULT '',
    ADD COLUMN failed_times   timestamptz[] NOT NULL DEFAULT '{}', -- of its attempts, as far as known
    ADD COLUMN discarded_at   timestamptz,
    ADD COLUMN discarded_by   text,
    ADD COLUMN discarded_why  text,
    ADD COLUMN replayed_at    timestamptz,
    ADD COLUMN replayed_run   text,
    ADD COLUMN replayed_event uuid, -- UID of the new attempt
    ADD COLUMN state          text NOT NULL GENERATED ALWAYS AS (
        CASE WHEN discarded_at IS NOT NULL THEN 'discarded' WHEN replayed_at IS NOT NULL THEN 'replayed' ELSE 'open' END) STORED;

UPDATE dead_letters SET
    kind = CASE
        WHEN reason IN ('stage_error', 'stage_timeout') THEN 'transient'
        WHEN reason IN ('tenant_mismatch', 'tenant_unknown') THEN 'unauthorised'
        WHEN reason IN ('envelope_invalid', 'type_unknown', 'data_empty', 'data_too_large', 'data_not_utf8', 'data_not_json',
            'data_too_deep', 'data_has_nul', 'key_invalid', 'version_invalid') THEN 'bad_data'
        ELSE 'permanent'
    END,
    fingerprint = left(encode(sha256(convert_to(stage || E'\n' || reason || E'\n', 'UTF8')), 'hex'), 16);

ALTER TABLE dead_letters
    ALTER COLUMN kind SET NOT NULL,
    ALTER COLUMN fingerprint SET NOT NULL,
    ADD CONSTRAINT kind_known CHECK (kind IN ('bad_data', 'transient', 'permanent', 'unauthorised')),
    ADD CONSTRAINT fingerprint_form CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
    ADD CONSTRAINT version_whole CHECK (num_nonnulls(version_at, version_seq) IN (0, 2)),
    ADD CONSTRAINT discard_signed CHECK (num_nonnulls(discarded_at, discarded_by, discarded_why) IN (0, 3) AND discarded_by <> ''),
    ADD CONSTRAINT replay_whole CHECK (num_nonnulls(replayed_at, replayed_run, replayed_event) IN (0, 3));

-- A page is read from one index, newest first, with what it is narrowed by beside each key: see 0011. Groups and records
-- have one of their own, for those who look at one of them.
DROP INDEX dead_letters_newest, dead_letters_by_reason;
CREATE INDEX dead_letters_newest ON dead_letters (tenant_id, failed_at, id)
    INCLUDE (state, stage, reason, kind, fingerprint, event_type, worker_version);
CREATE INDEX dead_letters_by_group ON dead_letters (tenant_id, fingerprint, failed_at, id) INCLUDE (state, worker_version);
CREATE INDEX dead_letters_by_key ON dead_letters (tenant_id, record_key, failed_at, id) WHERE record_key <> '';
CREATE INDEX dead_letters_discarded ON dead_letters (tenant_id, discarded_at) WHERE discarded_at IS NOT NULL;

-- What is to be said of a group.
CREATE TABLE dead_letter_groups (
    tenant_id   uuid NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    kind        text NOT NULL,
    stage       text NOT NULL, -- '' = at the broker
    reason      text NOT NULL,
    pattern     text NOT NULL, -- the error without what differs; '' = of letters older than groups
    sample      text NOT NULL, -- the error of its first letter
    PRIMARY KEY (tenant_id, fingerprint),
    CONSTRAINT kind_known CHECK (kind IN ('bad_data', 'transient', 'permanent', 'unauthorised')),
    CONSTRAINT fingerprint_form CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
    CONSTRAINT reason_given CHECK (reason <> '')
);

-- How many letters of a group there are, by the hour in which they died and the version that gave them up: kept with every
-- letter, so that nobody has to count a million of them.
CREATE TABLE dead_letter_counts (
    tenant_id      uuid NOT NULL,
    fingerprint    text COLLATE "C" NOT NULL,
    hour           timestamptz NOT NULL,
    worker_version text NOT NULL,
    open           bigint NOT NULL DEFAULT 0,
    replayed       bigint NOT NULL DEFAULT 0,
    discarded      bigint NOT NULL DEFAULT 0,
    first_at       timestamptz NOT NULL, -- the first and the last within the hour
    last_at        timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, fingerprint, hour, worker_version),
    CONSTRAINT counted CHECK (least(open, replayed, discarded) >= 0),
    CONSTRAINT within_the_hour CHECK (hour <= first_at AND first_at <= last_at AND last_at < hour + interval '1 hour')
) WITH (fillfactor = 70);

INSERT INTO dead_letter_groups (tenant_id, fingerprint, kind, stage, reason, pattern, sample)
SELECT DISTINCT ON (tenant_id, fingerprint) tenant_id, fingerprint, kind, stage, reason, '', error
FROM dead_letters ORDER BY tenant_id, fingerprint, failed_at;
INSERT INTO dead_letter_counts (tenant_id, fingerprint, hour, worker_version, open, first_at, last_at)
SELECT tenant_id, fingerprint, date_trunc('hour', failed_at, 'UTC'), '', count(*), min(failed_at), max(failed_at)
FROM dead_letters GROUP BY 1, 2, 3;
ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY;

-- What a replay changed in the data of a letter. The letter itself keeps the bytes that came.
CREATE TABLE replay_edits (
    tenant_id     uuid NOT NULL,
    run_id        text COLLATE "C" NOT NULL,
    letter_id     uuid NOT NULL,
    patch         json NOT NULL, -- RFC 6902; jsonb would write it anew, and other data might come of it
    before_sha256 bytea NOT NULL, -- of the event's data
    after_sha256  bytea NOT NULL,
    PRIMARY KEY (tenant_id, run_id, letter_id),
    CONSTRAINT patch_array CHECK (json_typeof(patch) = 'array'),
    CONSTRAINT sha256_length CHECK (octet_length(before_sha256) = 32 AND octet_length(after_sha256) = 32)
);

SELECT isolate_tenants(relation)
FROM unnest(ARRAY['dead_letter_groups', 'dead_letter_counts', 'replay_edits']::regclass[]) AS relation;

-- What came is never changed, only what became of it. A discarded letter is removed when it was kept long enough.
GRANT UPDATE (discarded_at, discarded_by, discarded_why, replayed_at, replayed_run, replayed_event) ON dead_letters TO reos_app;
GRANT DELETE ON dead_letters TO reos_app;
GRANT SELECT, INSERT ON dead_letter_groups, replay_edits TO reos_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON dead_letter_counts TO reos_app;

GRANT SELECT ON dead_letter_groups, dead_letter_counts TO reos_platform;
CREATE POLICY platform_reads ON dead_letter_groups FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON dead_letter_counts FOR SELECT TO reos_platform USING (true);

-- +goose Down

DROP TABLE replay_edits, dead_letter_counts, dead_letter_groups;
REVOKE DELETE ON dead_letters FROM reos_app;
DROP INDEX dead_letters_discarded, dead_letters_by_key, dead_letters_by_group, dead_letters_newest;
ALTER TABLE dead_letters -- with their constraints
    DROP COLUMN state,
    DROP COLUMN kind, DROP COLUMN fingerprint, DROP COLUMN version_at, DROP COLUMN version_seq, DROP COLUMN worker_version,
    DROP COLUMN traceparent, DROP COLUMN failed_times,
    DROP COLUMN discarded_at, DROP COLUMN discarded_by, DROP COLUMN discarded_why,
    DROP COLUMN replayed_at, DROP COLUMN replayed_run, DROP COLUMN replayed_event;
CREATE INDEX dead_letters_newest ON dead_letters (tenant_id, failed_at, id);
CREATE INDEX dead_letters_by_reason ON dead_letters (tenant_id, reason, failed_at, id);
