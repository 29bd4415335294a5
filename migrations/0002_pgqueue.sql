-- Queues in Postgres, in place of RabbitMQ where none is configured (events/pgqueue). The tables hold what a broker
-- would: exchanges, bindings, queues and the messages in them. Like a broker they know no tenants: a message for an
-- unknown tenant must be kept too, and what a message says about its tenant is only checked by the stage that takes
-- it. So there is no row-level security here; all state that belongs to a tenant is in tables that have it.

-- +goose Up
CREATE SCHEMA pgqueue;

CREATE TABLE pgqueue.exchanges (
    name      text PRIMARY KEY CHECK (name <> ''),
    kind      text NOT NULL CHECK (kind IN ('topic', 'direct', 'fanout')),
    alternate text NOT NULL DEFAULT '', -- exchange for what no binding matches
    optional  boolean NOT NULL DEFAULT false
);

CREATE TABLE pgqueue.queues (
    name            text PRIMARY KEY CHECK (name <> ''),
    ttl_ms          bigint NOT NULL DEFAULT 0 CHECK (ttl_ms >= 0), -- 0 = for ever
    dead_letter_to  text NOT NULL DEFAULT '',
    dead_letter_key text NOT NULL DEFAULT '', -- empty = the message's own
    delivery_limit  integer NOT NULL DEFAULT 0 CHECK (delivery_limit >= 0), -- 0 = none
    CHECK (dead_letter_to <> '' OR (ttl_ms = 0 AND delivery_limit = 0)) -- else such messages had nowhere to go
);

CREATE TABLE pgqueue.bindings (
    exchange text NOT NULL REFERENCES pgqueue.exchanges,
    pattern  text NOT NULL,
    queue    text NOT NULL REFERENCES pgqueue.queues,
    PRIMARY KEY (exchange, pattern, queue)
);

-- A transport in a process. It holds an advisory lock on its id for as long as its connection lives; a row whose lock
-- is free belongs to a process that is gone.
CREATE TABLE pgqueue.owners (
    id integer PRIMARY KEY
);
CREATE SEQUENCE pgqueue.owner_id AS integer CYCLE;

-- The order of the key is the order of delivery, and the key is the only index that every message is in: that neither
-- owner nor deliveries is indexed lets Postgres mark a message as held in place (HOT), and the fill factor leaves it
-- the room. There is no foreign key to queues: it would cost a look-up and a lock for every message.
CREATE TABLE pgqueue.messages (
    queue       text COLLATE "C" NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY,
    deliveries  integer NOT NULL DEFAULT 0 CHECK (deliveries >= 0), -- how often it was handed out
    owner       integer,     -- the transport that has it in hand; null = it waits
    expires_at  timestamptz, -- when it leaves for its queue's dead_letter_to; null = never
    exchange    text NOT NULL,
    routing_key text NOT NULL,
    uuid        bytea NOT NULL, -- Watermill's; like headers and payload any bytes, which text could not hold
    metadata    bytea NOT NULL, -- headers as length-prefixed pairs
    payload     bytea NOT NULL,
    PRIMARY KEY (queue, id)
) WITH (
    fillfactor = 50,
    autovacuum_vacuum_scale_factor = 0, -- the table's size says nothing about how much of it is dead
    autovacuum_vacuum_threshold = 2000,
    autovacuum_vacuum_insert_threshold = -1,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX messages_expire ON pgqueue.messages (expires_at) WHERE expires_at IS NOT NULL;
-- Messages are gone before compressing them pays.
ALTER TABLE pgqueue.messages ALTER COLUMN payload SET STORAGE EXTERNAL;

-- Takes up to max_count messages from the head of a queue for a transport, and counts the delivery. What others are
-- claiming is skipped. The transport's row is locked against whoever takes the transport for dead: either they see
-- this claim, or it claims nothing.
--
-- It is a function for its settings. A queue's size changes faster than statistics do: a plan made for a small queue
-- reads and sorts all of a big one at every claim, which was measured to cost nine tenths of the speed. With these
-- settings the key is read in its order, whatever the statistics say.
-- +goose StatementBegin
CREATE FUNCTION pgqueue.claim(from_queue text, max_count integer, for_owner integer) RETURNS SETOF pgqueue.messages
    LANGUAGE plpgsql
    SET enable_sort = off
    SET enable_seqscan = off
    SET enable_bitmapscan = off
    AS $claim$
BEGIN
    RETURN QUERY
    WITH alive AS MATERIALIZED (
        SELECT o.id FROM pgqueue.owners o WHERE o.id = for_owner FOR KEY SHARE
    ), next AS MATERIALIZED (
        SELECT w.id FROM pgqueue.messages w
        WHERE w.queue = from_queue AND w.owner IS NULL
        ORDER BY w.id LIMIT max_count
        FOR UPDATE SKIP LOCKED
    )
    UPDATE pgqueue.messages m SET owner = alive.id, deliveries = m.deliveries + 1
    FROM next, alive
    WHERE m.queue = from_queue AND m.id = next.id
    RETURNING m.*;
END
$claim$;
-- +goose StatementEnd
REVOKE EXECUTE ON FUNCTION pgqueue.claim FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgqueue.claim TO reos_app;

GRANT USAGE ON SCHEMA pgqueue TO reos_app;
GRANT SELECT, INSERT, UPDATE ON pgqueue.exchanges, pgqueue.queues TO reos_app;
GRANT SELECT, INSERT ON pgqueue.bindings TO reos_app;
GRANT SELECT, INSERT, UPDATE, DELETE ON pgqueue.owners, pgqueue.messages TO reos_app;
GRANT USAGE ON SEQUENCE pgqueue.owner_id TO reos_app;

-- +goose Down
DROP SCHEMA pgqueue CASCADE;
