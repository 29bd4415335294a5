-- Who may see what: two roles, a context, and the table of tenants.

-- +goose Up

-- Roles belong to the whole cluster, and several databases of one cluster may migrate at once: whoever comes second
-- finds the role there, or waits for it, or is told that the role was altered under its hands, and looks again.
--
-- reos_app is what workers and API connect as: neither superuser nor owner, so that row-level security binds it. It
-- gets its password and its right to log in from the migration runner.
-- reos_platform is what it must explicitly become, for one transaction, to look across tenants. NOINHERIT (before
-- PostgreSQL 16 a property of the member, since then of the membership) keeps that from happening by itself.
-- +goose StatementBegin
DO $roles$
DECLARE
    attempts_left int := 50;
    per_grant boolean := current_setting('server_version_num')::int >= 160000;
BEGIN
    LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reos_app') THEN
                CREATE ROLE reos_app NOLOGIN NOINHERIT;
            END IF;
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'reos_platform') THEN
                CREATE ROLE reos_platform NOLOGIN;
            END IF;
            IF NOT per_grant AND (SELECT rolinherit FROM pg_roles WHERE rolname = 'reos_app') THEN
                ALTER ROLE reos_app NOINHERIT;
            END IF;
            IF NOT pg_has_role('reos_app', 'reos_platform', 'MEMBER') THEN
                EXECUTE 'GRANT reos_platform TO reos_app' || CASE WHEN per_grant THEN ' WITH INHERIT FALSE' ELSE '' END;
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

GRANT USAGE ON SCHEMA public TO reos_app, reos_platform;

-- The tenant that the rest of the transaction works for. Without it, no row of any tenant is visible. It returns
-- something so that Postgres can inline it: called as a function, it cost more than many a statement behind it.
CREATE FUNCTION set_tenant_context(tenant uuid) RETURNS text
    LANGUAGE sql
    AS $$ SELECT pg_catalog.set_config('app.tenant_id', tenant::text, true) $$;
REVOKE EXECUTE ON FUNCTION set_tenant_context FROM PUBLIC;
GRANT EXECUTE ON FUNCTION set_tenant_context TO reos_app;

-- Every table with a tenant_id goes through this one.
--
-- The sub-select is evaluated once per statement instead of once per row. The setting reads '' after a transaction
-- that set it: NULLIF turns that into "no tenant", which equals nothing. FORCE binds the tables' owner as well.
-- +goose StatementBegin
CREATE FUNCTION isolate_tenants(relation regclass) RETURNS void
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
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION isolate_tenants FROM PUBLIC;

CREATE TABLE tenants (
    id         uuid PRIMARY KEY,
    name       text COLLATE "C" NOT NULL UNIQUE,
    lane       text NOT NULL, -- which of the lanes carries the tenant's events
    created_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT name_length CHECK (octet_length(name) BETWEEN 1 AND 255),
    -- Nothing is routed to the platform, so it has no lane.
    CONSTRAINT lane_unless_platform CHECK ((lane = '') = (id = '00000000-0000-0000-0000-000000000000'))
);

-- Owns what belongs to no tenant: unroutable messages, and those whose routing key names none. It is inserted before
-- FORCE takes effect, which would refuse an owner who is no superuser.
INSERT INTO tenants (id, name, lane) VALUES ('00000000-0000-0000-0000-000000000000', 'platform', '');

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY;
ALTER TABLE tenants FORCE ROW LEVEL SECURITY;
CREATE POLICY tenant ON tenants FOR SELECT TO reos_app
    USING (id = (SELECT NULLIF(current_setting('app.tenant_id', true), '')::uuid));
CREATE POLICY platform_reads ON tenants FOR SELECT TO reos_platform USING (true);
CREATE POLICY platform_creates ON tenants FOR INSERT TO reos_platform WITH CHECK (true);
GRANT SELECT ON tenants TO reos_app;
GRANT SELECT, INSERT ON tenants TO reos_platform;

-- +goose Down

DROP TABLE tenants;
DROP FUNCTION isolate_tenants;
DROP FUNCTION set_tenant_context;
REVOKE USAGE ON SCHEMA public FROM reos_app, reos_platform;
-- The roles stay: other databases of the cluster may use them. Nothing here is granted to them any more.
