-- The audit log is chained per statement. A replay writes an entry for each of hundreds of letters at once, and moving the
-- head for each of them cost more than all else: a row that one transaction rewrites n times is read past n versions.
--
-- Entries get number and hash one by one, as before, and the first of a statement locks the head. What differs: the end of
-- the chain is carried from entry to entry in a setting of the transaction, and the head moves once, when the statement ends.
-- Anybody may write a setting, so it is believed by nobody: the head only moves over entries that follow it without a gap,
-- each with the hash of the one before.

-- +goose Up

-- The same bytes as before. Written out, it costs a tenth of what an aggregate over the fields did.
-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_hash(entry audit) RETURNS bytea
    LANGUAGE plpgsql STABLE
    AS $hash$
DECLARE
    seq       text := entry.seq::text;
    at        text := to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"');
    tenant_id text := entry.tenant_id::text;
    details   text := entry.details::text;
BEGIN
    RETURN sha256(entry.prev_hash || convert_to(
        octet_length(seq) || ':' || seq || ',' || octet_length(at) || ':' || at || ','
        || octet_length(tenant_id) || ':' || tenant_id || ',' || octet_length(entry.actor) || ':' || entry.actor || ','
        || octet_length(entry.action) || ':' || entry.action || ',' || octet_length(entry.subject) || ':' || entry.subject || ','
        || octet_length(entry.why) || ':' || entry.why || ',' || octet_length(details) || ':' || details, 'UTF8'));
END
$hash$;

-- The head is its owner's alone from here on: both triggers act in the owner's name, and nobody else may move it.
CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $chain$
DECLARE
    carried text := coalesce(current_setting('app.audit_end', true), '');
BEGIN
    IF carried = '' THEN -- the first entry of a statement
        SELECT h.seq + 1, h.hash INTO NEW.seq, NEW.prev_hash FROM audit_head h FOR UPDATE;
    ELSE
        NEW.seq := split_part(carried, ' ', 1)::bigint + 1;
        NEW.prev_hash := decode(split_part(carried, ' ', 2), 'hex');
    END IF;
    NEW.at := clock_timestamp();
    NEW.hash := audit_hash(NEW);
    PERFORM set_config('app.audit_end', NEW.seq || ' ' || encode(NEW.hash, 'hex'), true);
    RETURN NEW;
END
$chain$;

CREATE FUNCTION audit_close() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp
    AS $close$
DECLARE
    head    audit_head;
    ends    bigint;
    chained boolean;
BEGIN
    SELECT max(a.seq) INTO ends FROM added a;
    IF ends IS NULL THEN
        RETURN NULL; -- nothing was done
    END IF;
    SELECT * INTO head FROM audit_head FOR UPDATE;
    SELECT bool_and(a.seq = head.seq + a.n AND a.prev_hash = a.follows) INTO chained
    FROM (SELECT seq, prev_hash, row_number() OVER w AS n, lag(hash, 1, head.hash) OVER w AS follows
        FROM added WINDOW w AS (ORDER BY seq)) a;
    IF NOT chained THEN
        RAISE 'entries of the audit log do not follow its head';
    END IF;
    UPDATE audit_head h SET seq = a.seq, hash = a.hash FROM added a WHERE a.seq = ends;
    PERFORM set_config('app.audit_end', '', true);
    RETURN NULL;
END
$close$;

-- The head moves forward, and never back.
CREATE OR REPLACE FUNCTION audit_forward() RETURNS trigger
    LANGUAGE plpgsql
    AS $forward$
BEGIN
    IF NEW.seq <= OLD.seq THEN
        RAISE 'the audit log only goes forward';
    END IF;
    RETURN NEW;
END
$forward$;
-- +goose StatementEnd

CREATE TRIGGER close AFTER INSERT ON audit REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION audit_close();
REVOKE EXECUTE ON FUNCTION audit_close FROM PUBLIC;
REVOKE UPDATE (seq, hash) ON audit_head FROM reos_app, reos_platform;

-- +goose Down

GRANT UPDATE (seq, hash) ON audit_head TO reos_app, reos_platform;
DROP TRIGGER close ON audit;
DROP FUNCTION audit_close;

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION audit_hash(entry audit) RETURNS bytea
    LANGUAGE sql STABLE
    AS $hash$
    SELECT sha256(entry.prev_hash || convert_to(string_agg(octet_length(field) || ':' || field, ',' ORDER BY n), 'UTF8'))
    FROM unnest(ARRAY[
        entry.seq::text, to_char(entry.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), entry.tenant_id::text,
        entry.actor, entry.action, entry.subject, entry.why, entry.details::text
    ]) WITH ORDINALITY AS fields (field, n)
    $hash$;

CREATE OR REPLACE FUNCTION audit_chain() RETURNS trigger
    LANGUAGE plpgsql SECURITY INVOKER
    AS $chain$
BEGIN
    SELECT h.seq + 1, h.hash INTO NEW.seq, NEW.prev_hash FROM audit_head h FOR UPDATE;
    NEW.at := clock_timestamp();
    NEW.hash := audit_hash(NEW);
    UPDATE audit_head SET seq = NEW.seq, hash = NEW.hash;
    RETURN NEW;
END
$chain$;

CREATE OR REPLACE FUNCTION audit_forward() RETURNS trigger
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
