-- What the stages behind ingestion made of a record's version. Each row holds the version that it stands for: a write
-- for an older one is refused by the statement's guard.

-- +goose Up

CREATE TABLE verdicts (
    tenant_id   uuid NOT NULL,
    record_type text NOT NULL,
    record_key  text COLLATE "C" NOT NULL,
    version_at  timestamptz NOT NULL,
    version_seq bigint NOT NULL,
    suite       text NOT NULL,
    passed      boolean NOT NULL,
    failures    jsonb NOT NULL, -- warnings too, so a record that passed may have some
    judged_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, record_type, record_key),
    CONSTRAINT record_type_known CHECK (record_type IN ('property', 'ownership', 'prospect', 'lease', 'offer', 'document')),
    CONSTRAINT failures_array CHECK (jsonb_typeof(failures) = 'array'),
    CONSTRAINT failures_unless_passed CHECK (passed OR failures <> '[]')
);

-- Few records fail; the list of the quarantined must not read those that passed.
CREATE INDEX verdicts_failed ON verdicts (tenant_id, record_type, record_key) WHERE NOT passed;

CREATE TABLE embeddings (
    tenant_id    uuid NOT NULL,
    model        text NOT NULL,
    record_key   text COLLATE "C" NOT NULL, -- of a property
    version_at   timestamptz NOT NULL,
    version_seq  bigint NOT NULL,
    content_hash bytea NOT NULL, -- of the embedded text: while it stays the same, so does the vector
    vector       bytea NOT NULL, -- float32, little-endian: as compact as they come, and no extension is needed
    PRIMARY KEY (tenant_id, model, record_key),
    CONSTRAINT content_hash_length CHECK (octet_length(content_hash) = 32),
    CONSTRAINT vector_of_float32 CHECK (octet_length(vector) > 0 AND octet_length(vector) % 4 = 0)
);

CREATE TABLE index_entries (
    tenant_id   uuid NOT NULL,
    record_key  text COLLATE "C" NOT NULL, -- of a property
    version_at  timestamptz NOT NULL, -- that was acted on
    version_seq bigint NOT NULL,
    present     boolean NOT NULL, -- search finds it; else it was removed or quarantined
    indexed_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, record_key)
);

-- Absent ones are few: all is counted in the primary key, these here.
CREATE INDEX index_entries_absent ON index_entries (tenant_id) WHERE NOT present;

SELECT isolate_tenants(relation) FROM unnest(ARRAY['verdicts', 'embeddings', 'index_entries']::regclass[]) AS relation;

GRANT SELECT, INSERT, UPDATE ON verdicts, embeddings, index_entries TO reos_app;

GRANT SELECT (tenant_id, record_type, record_key, version_at, version_seq, passed) ON verdicts TO reos_platform;
GRANT SELECT (tenant_id, present) ON index_entries TO reos_platform;
CREATE POLICY platform_reads ON verdicts FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON index_entries FOR SELECT TO reos_platform USING (true);

-- +goose Down

DROP TABLE index_entries, embeddings, verdicts;
