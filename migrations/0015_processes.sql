-- Which processes there are, so that health can ask each of them, and a counter that proves that writes go through.

-- +goose Up

-- Belongs to the platform, not to tenants: there is no tenant in it.
CREATE TABLE processes (
    id         uuid PRIMARY KEY,
    kind       text NOT NULL, -- worker, api or up
    stages     text[] NOT NULL,
    host       text NOT NULL,
    pid        integer NOT NULL,
    version    text NOT NULL,
    admin_url  text NOT NULL, -- of its /readyz, as others reach it
    api_url    text NOT NULL, -- '' where it serves no API
    started_at timestamptz NOT NULL DEFAULT now(),
    beat_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT kind_known CHECK (kind IN ('worker', 'api', 'up'))
);

CREATE TABLE pings (
    one   boolean PRIMARY KEY DEFAULT true CHECK (one),
    count bigint NOT NULL
);
INSERT INTO pings (count) VALUES (0);

GRANT SELECT, INSERT, UPDATE, DELETE ON processes TO reos_platform;
GRANT SELECT, UPDATE ON pings TO reos_platform;

-- So that a program can tell that the schema is older than it needs.
GRANT SELECT (version_id) ON goose_db_version TO reos_app;

-- +goose Down

REVOKE SELECT (version_id) ON goose_db_version FROM reos_app;
DROP TABLE pings, processes;
