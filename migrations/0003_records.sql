-- The current version of every record, and where the raw bytes of every event lie.

-- +goose Up

-- No foreign key to tenants on these tables, nor on the other hot ones behind them: it would cost a look-up per row
-- and have all writers of a tenant share a lock on its one row. Ingestion checks once per batch that the tenant
-- exists, and nobody but the owner may delete one.
CREATE TABLE ownership (
    tenant_id   uuid NOT NULL,
    record_key  text COLLATE "C" NOT NULL,
    version_at  timestamptz NOT NULL,
    version_seq bigint NOT NULL,
    event_uid   uuid NOT NULL, -- the event that brought this version
    deleted     boolean NOT NULL,
    doc         jsonb,
    faults      jsonb NOT NULL,
    prior       jsonb, -- the watched fields of the version before, for quality to compare with
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, record_key),
    CONSTRAINT key_length CHECK (octet_length(record_key) BETWEEN 1 AND 255),
    CONSTRAINT version_finite CHECK (isfinite(version_at) AND version_seq >= 0),
    CONSTRAINT doc_unless_deleted CHECK ((doc IS NULL) = deleted),
    CONSTRAINT doc_object CHECK (jsonb_typeof(doc) = 'object'),
    CONSTRAINT faults_array CHECK (jsonb_typeof(faults) = 'array'),
    CONSTRAINT prior_object CHECK (prior IS NULL OR (jsonb_typeof(prior) = 'object' AND NOT deleted))
);
CREATE TABLE prospects (LIKE ownership INCLUDING ALL);
CREATE TABLE leases (LIKE ownership INCLUDING ALL);
CREATE TABLE offers (LIKE ownership INCLUDING ALL);
CREATE TABLE documents (LIKE ownership INCLUDING ALL);

-- What operators and reports ask properties for. NULL where the record does not say, or not what the contract says:
-- the value as it came is in doc.
CREATE TABLE properties (
    LIKE ownership INCLUDING ALL,
    list_price      numeric(14, 2),
    standard_status text,
    city            text,
    bedrooms_total  integer,
    CONSTRAINT typed_unless_deleted CHECK (NOT deleted OR num_nonnulls(list_price, standard_status, city, bedrooms_total) = 0)
);

-- So that tombstones are counted without reading every document: all is counted in the primary key, these here.
CREATE INDEX properties_deleted ON properties (tenant_id) WHERE deleted;

CREATE TABLE raw_archive (
    tenant_id   uuid NOT NULL,
    event_uid   uuid NOT NULL,
    object_key  text NOT NULL,
    byte_offset bigint NOT NULL,
    byte_length bigint NOT NULL,
    sha256      bytea NOT NULL, -- of the uncompressed bytes
    PRIMARY KEY (tenant_id, event_uid),
    -- Invariant 4: an object of another tenant cannot be referred to.
    CONSTRAINT own_object CHECK (starts_with(object_key, tenant_id::text || '/raw/')),
    CONSTRAINT span CHECK (byte_offset >= 0 AND byte_length > 0),
    CONSTRAINT sha256_length CHECK (octet_length(sha256) = 32)
);

SELECT isolate_tenants(relation) FROM unnest(ARRAY[
    'properties', 'ownership', 'prospects', 'leases', 'offers', 'documents', 'raw_archive'
]::regclass[]) AS relation;

GRANT SELECT, INSERT, UPDATE ON properties, ownership, prospects, leases, offers, documents TO reos_app;
GRANT SELECT, INSERT ON raw_archive TO reos_app;

-- Across tenants, records are counted and never read: reos_platform has no right to the documents.
GRANT SELECT (tenant_id, record_key, version_at, version_seq, deleted)
    ON properties, ownership, prospects, leases, offers, documents TO reos_platform;
CREATE POLICY platform_reads ON properties FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON ownership FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON prospects FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON leases FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON offers FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_reads ON documents FOR SELECT TO reos_platform USING (true);

-- +goose Down

DROP TABLE raw_archive, properties, documents, offers, leases, prospects, ownership;
