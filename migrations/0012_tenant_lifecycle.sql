-- Tenants are suspended and deleted, and whoever changes something leaves an entry in the audit log.

-- +goose Up

-- reos_purge is what reos_app must explicitly become, for one transaction, to remove a tenant's rows: see 0001 on how
-- roles are made. The policies let it remove those of a tenant that is being deleted, and no others.
-- +goose StatementBegin
DO $roles$
DECLARE
    attempts_left int := 50;
    per_grant boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reos_purge') THEN
                CREATE ROLE reos_purge NOLOGIN;
            END IF;
            IF NOT pg_has_role('reos_app', 'reos_purge', 'MEMBER') THEN
                EXECUTE 'GRANT reos_purge TO reos_app' || CASE WHEN per_grant THEN ' WITH INHERIT FALSE' ELSE '' END;
            END IF;
            EXIT;
        EXCEPTION WHEN duplicate_object OR unique_violation OR internal_error THEN
            attempts_left := attempts_left - 1;
            IF attempts_left = 0 THEN
                RAISE;
            END IF;
            PERFORM pg_sleep(0.02);
        END;
    END LOOP;
END
$roles$;
-- +goose StatementEnd
GRANT USAGE ON SCHEMA public TO reos_purge;

-- A tenant that was deleted keeps its row, with nothing in it but the id: what arrives late is known as its, and is
-- ended. Its name is free again, its id never.
ALTER TABLE tenants
    ADD COLUMN state       text NOT NULL DEFAULT 'active',
    ADD COLUMN state_since timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN state_by    text NOT NULL DEFAULT '', -- who brought it into this state, and why
    ADD COLUMN state_why   text NOT NULL DEFAULT '',
    ADD COLUMN broker_user boolean NOT NULL DEFAULT false, -- it has one of its own
    ADD CONSTRAINT state_known CHECK (state IN ('active', 'suspended', 'deleting', 'deleted')),
    ADD CONSTRAINT state_signed CHECK (state = 'active' OR state_by <> ''),
    ADD CONSTRAINT platform_stays CHECK (state = 'active' OR id <> '00000000-0000-0000-0000-000000000000'),
    ADD CONSTRAINT tombstone_is_bare CHECK (state <> 'deleted' OR (name = id::text AND draining = '{}' AND NOT broker_user)),
    DROP CONSTRAINT lane_unless_platform,
    ADD CONSTRAINT lane_while_routed CHECK (
        (lane = '') = (state = 'deleted' OR id = '00000000-0000-0000-0000-000000000000'));

-- Every process asks twice a second who is suspended or deleted.
CREATE INDEX tenants_not_active ON tenants (state, state_since) WHERE state <> 'active';

-- No way leads back from a tombstone.
ALTER POLICY platform_moves ON tenants USING (state <> 'deleted');
GRANT UPDATE (name, state, state_since, state_by, state_why, broker_user) ON tenants TO reos_platform;
CREATE POLICY purge ON tenants FOR SELECT TO reos_purge
    USING (id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
GRANT SELECT (id, state) ON tenants TO reos_purge;

-- Whoever works for a tenant that is deleted is told so by an error of its own.
-- +goose StatementBegin
CREATE FUNCTION refuse_deleted_tenant() RETURNS text
    LANGUAGE plpgsql
    AS $refuse$
BEGIN
    RAISE 'the tenant is deleted' USING ERRCODE = 'RE012';
END
$refuse$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION refuse_deleted_tenant FROM PUBLIC;
GRANT EXECUTE ON FUNCTION refuse_deleted_tenant TO reos_app;

-- Lets the rows of a tenant be removed from a table when it is deleted, and no others.
-- +goose StatementBegin
CREATE FUNCTION let_purge(relation regclass) RETURNS void
    LANGUAGE plpgsql
    AS $purge$
DECLARE
    current_tenant text := 'NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid';
BEGIN
    EXECUTE format(
        'CREATE POLICY purge ON %s TO reos_purge USING (tenant_id = (SELECT t.id FROM tenants t WHERE t.id = %s AND t.state IN (''deleting'', ''deleted'')))',
        relation, current_tenant);
    EXECUTE format('GRANT SELECT, DELETE ON %s TO reos_purge', relation);
END
$purge$;

-- As in 0001, and from here on with what a deletion needs.
CREATE OR REPLACE FUNCTION isolate_tenants(relation regclass) RETURNS void
    LANGUAGE plpgsql
    AS $isolate$
DECLARE
    own text := 'tenant_id = (SELECT NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid)';
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('CREATE POLICY tenant ON %s TO reos_app USING (%s) WITH CHECK (%s)', relation, own, own);
    PERFORM let_purge(relation);
END
$isolate$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION let_purge FROM PUBLIC;

-- The tables that were there before.
SELECT let_purge(p.polrelid) FROM pg_policy p JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attname = 'tenant_id'
WHERE p.polname = 'tenant';

-- A held queue goes with its tenant.
GRANT DELETE ON pgqueue.queues TO reos_app;

-- Who did what, when and why. Nobody may change or remove an entry, and no deleted tenant takes its own with it; each
-- holds a digest of the one before, so that a change from outside shows.
CREATE TABLE audit (
    tenant_id uuid NOT NULL, -- the platform's where an act concerns no tenant
    seq       bigint NOT NULL, -- over all tenants, without gaps
    at        timestamptz NOT NULL,
    actor     text NOT NULL,
    action    text NOT NULL, -- `noun.verb`
    subject   text NOT NULL, -- what it was done to
    why       text NOT NULL,
    details   jsonb NOT NULL,
    prev_hash bytea NOT NULL,
    hash      bytea NOT NULL,
    PRIMARY KEY (tenant_id, seq),
    CONSTRAINT signed CHECK (actor <> '' AND action <> ''),
    CONSTRAINT details_object CHECK (jsonb_typeof(details) = 'object'),
    CONSTRAINT hash_length CHECK (octet_length(prev_hash) = 32 AND octet_length(hash) = 32)
);
SELECT isolate_tenants('audit');
DROP POLICY purge ON audit;
REVOKE SELECT, DELETE ON audit FROM reos_purge;
CREATE POLICY platform_reads ON audit FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_writes ON audit FOR INSERT TO reos_platform WITH CHECK (true);
GRANT SELECT, INSERT (tenant_id, actor, action, subject, why, details) ON audit TO reos_app, reos_platform;

-- The end of the chain: a newest entry that is missing shows by it. It is locked by whoever adds an entry, until that
-- is committed, so that there is one chain however many write.
CREATE TABLE audit_head (
    one  boolean PRIMARY KEY DEFAULT true CHECK (one),
    seq  bigint NOT NULL CHECK (seq >= 0),
    hash bytea NOT NULL CHECK (octet_length(hash) = 32)
);
INSERT INTO audit_head (seq, hash) VALUES (0, decode(repeat('00', 32), 'hex'));
GRANT SELECT, UPDATE (seq, hash) ON audit_head TO reos_app, reos_platform;

-- Each field goes in with its length, so that no two entries give the same bytes.
CREATE FUNCTION audit_hash(entry audit) RETURNS bytea
    LANGUAGE sql STABLE
    AS $hash$
    SELECT sha256(entry.prev_hash || convert_to(string_agg(octet_length(field) || ':' || field, ',' ORDER BY n), 'UTF8'))
    FROM unnest(ARRAY[
        entry.seq::text, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry.tenant_id::text,
        entry.actor, entry.action, entry.subject, entry.why, entry.details::text
    ]) WITH ORDINALITY AS fields (field, n)
    $hash$;

-- +goose StatementBegin
CREATE FUNCTION audit_chain() RETURNS trigger
    LANGUAGE plpgsql
    AS $chain$
BEGIN
    SELECT h.seq + 1, h.hash INTO NEW.seq, NEW.prev_hash FROM audit_head h FOR UPDATE;
    NEW.at := clock_timestamp();
    NEW.hash := audit_hash(NEW);
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NEW;
END
$chain$;

-- The head moves forward by one entry at a time, and never back.
CREATE FUNCTION audit_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $forward$
BEGIN
    IF NEW.seq <> OLD.seq + 1 THEN
        RAISE 'the audit log goes forward by one entry at a time';
    END IF;
    RETURN NEW;
END
$forward$;
-- +goose StatementEnd
CREATE TRIGGER chain BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_chain();
CREATE TRIGGER forward BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_forward();
REVOKE EXECUTE ON FUNCTION audit_hash, audit_chain, audit_forward FROM PUBLIC;
GRANT EXECUTE ON FUNCTION audit_hash TO reos_app, reos_platform;

-- +goose Down

DROP TABLE audit CASCADE; -- with audit_hash, which takes its rows
DROP TABLE audit_head;
DROP FUNCTION audit_chain;
DROP FUNCTION audit_forward;

REVOKE DELETE ON pgqueue.queues FROM reos_app;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION isolate_tenants(relation regclass) RETURNS void
    LANGUAGE plpgsql
    AS $isolate$
DECLARE
    own text := 'tenant_id = (SELECT NULLIF(current_setting(''app.tenant_id'', true), '''')::uuid)';
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', relation);
    EXECUTE format('CREATE POLICY tenant ON %s TO reos_app USING (%s) WITH CHECK (%s)', relation, own, own);
END
$isolate$;

DO $purge$
DECLARE
    relation regclass;
BEGIN
    FOR relation IN
        SELECT polrelid FROM pg_policy WHERE polname = 'purge' AND polrelid <> 'tenants'::regclass
    LOOP
        EXECUTE format('DROP POLICY purge ON %s', relation);
        EXECUTE format('REVOKE SELECT, DELETE ON %s FROM reos_purge', relation);
    END LOOP;
END
$purge$;
-- +goose StatementEnd
DROP FUNCTION let_purge;
DROP FUNCTION refuse_deleted_tenant;

DROP POLICY purge ON tenants;
REVOKE SELECT (id, state) ON tenants FROM reos_purge;
REVOKE UPDATE (name, state, state_since, state_by, state_why, broker_user) ON tenants FROM reos_platform;
ALTER POLICY platform_moves ON tenants USING (true);
-- Tombstones mean nothing here any more. FORCE would hide them from an owner who is no superuser.
ALTER TABLE tenants NO FORCE ROW LEVEL SECURITY;
DELETE FROM sli_history WHERE tenant_id IN (SELECT id FROM tenants WHERE state = 'deleted');
DELETE FROM tenants WHERE state = 'deleted';
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE tenants
    DROP CONSTRAINT lane_while_routed, -- the others, and the index, go with their columns
    DROP COLUMN state, DROP COLUMN state_since, DROP COLUMN state_by, DROP COLUMN state_why, DROP COLUMN broker_user,
    ADD CONSTRAINT lane_unless_platform CHECK ((lane = '') = (id = '00000000-0000-0000-0000-000000000000'));
REVOKE USAGE ON SCHEMA public FROM reos_purge;
-- The role stays: other databases of the cluster may use it. Nothing here is granted to it any more.
