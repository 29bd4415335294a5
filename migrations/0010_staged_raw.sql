-- Raw bytes that wait in Postgres until the object store gets them, many at a time.
--
-- Invariant 1: nothing accepted is lost. An event's raw bytes are in exactly one of staged_raw and raw_archive, from the
-- transaction that accepts it on.

-- +goose Up

CREATE TABLE staged_raw (
    tenant_id uuid NOT NULL,
    event_uid uuid NOT NULL,
    staged_at timestamptz NOT NULL DEFAULT now(),
    sha256    bytea NOT NULL, -- of the uncompressed bytes
    bytes     integer NOT NULL, -- of the frame, for those who may not read it
    frame     bytea NOT NULL, -- zstd, as it will lie in an archive object
    PRIMARY KEY (tenant_id, event_uid),
    CONSTRAINT frame_counted CHECK (bytes > 0 AND bytes = octet_length(frame)),
    CONSTRAINT sha256_length CHECK (octet_length(sha256) = 32)
);

-- Frames are compressed already.
ALTER TABLE staged_raw ALTER COLUMN frame SET STORAGE EXTERNAL;

SELECT isolate_tenants('staged_raw');

-- A row is never changed: it goes when its bytes have become part of an object.
GRANT SELECT, INSERT, DELETE ON staged_raw TO reos_app;

GRANT SELECT (tenant_id, staged_at, bytes) ON staged_raw TO reos_platform;
CREATE POLICY platform_reads ON staged_raw FOR SELECT TO reos_platform USING (true);

-- Ends a transaction that has written fewer rows than it meant to, before its COMMIT is read: so that writes under a
-- guard and their COMMIT can travel together.
-- +goose StatementBegin
CREATE FUNCTION require_rows(written bigint, planned bigint) RETURNS boolean
    LANGUAGE plpgsql
    AS $require$
BEGIN
    IF written IS DISTINCT FROM planned THEN
        RAISE EXCEPTION '% of % rows written: another transaction was faster', written, planned USING ERRCODE = 'RE010';
    END IF;
    RETURN true;
END
$require$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION require_rows FROM PUBLIC;
GRANT EXECUTE ON FUNCTION require_rows TO reos_app;

-- +goose Down

-- What is still staged would be lost: it must be archived first. The owner has to see it for that.
ALTER TABLE staged_raw NO FORCE ROW LEVEL SECURITY;
-- +goose StatementBegin
DO $staged$
BEGIN
    IF EXISTS (SELECT FROM staged_raw) THEN
        RAISE EXCEPTION 'raw bytes are still staged: let workers run until staged_raw is empty';
    END IF;
END
$staged$;
-- +goose StatementEnd
DROP FUNCTION require_rows;
DROP TABLE staged_raw;
