-- Tenants change their lanes.

-- +goose Up

-- The lanes that a tenant has left and that may still hold events of it. A move writes them before it touches the
-- broker's bindings: one that is cut off is seen, and finished by the next.
ALTER TABLE tenants ADD COLUMN draining text[] NOT NULL DEFAULT '{}',
    ADD CONSTRAINT lane_does_not_drain CHECK (lane <> ALL (draining));

CREATE POLICY platform_moves ON tenants FOR UPDATE TO reos_platform USING (true) WITH CHECK (true);
GRANT UPDATE (lane, draining) ON tenants TO reos_platform;

GRANT DELETE ON pgqueue.bindings TO reos_app;

-- +goose Down

REVOKE DELETE ON pgqueue.bindings FROM reos_app;
REVOKE UPDATE (lane, draining) ON tenants FROM reos_platform;
DROP POLICY platform_moves ON tenants;
ALTER TABLE tenants DROP COLUMN draining; -- with its constraint
