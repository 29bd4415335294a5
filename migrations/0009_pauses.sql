-- Who must wait: a stage takes no message of a tenant while a row says so.

-- +goose Up

CREATE TABLE pauses (
    tenant_id  uuid NOT NULL REFERENCES tenants,
    stage      text NOT NULL,
    paused_at  timestamptz NOT NULL DEFAULT now(),
    paused_by  text NOT NULL, -- a person, or the breaker
    why        text NOT NULL,
    resumed_at timestamptz, -- since then what was held is let go; the row goes when that is done
    PRIMARY KEY (tenant_id, stage),
    CONSTRAINT stage_known CHECK (stage IN ('ingestion', 'quality', 'embedding', 'indexing')),
    CONSTRAINT explained CHECK (paused_by <> '' AND why <> '')
);

SELECT isolate_tenants('pauses');

GRANT SELECT, INSERT, UPDATE, DELETE ON pauses TO reos_app;
GRANT SELECT ON pauses TO reos_platform;
CREATE POLICY platform_reads ON pauses FOR SELECT TO reos_platform USING (true);

-- +goose Down

DROP TABLE pauses;
