-- What the API lists: records by their keys, narrowed by what callers ask for, and the events of one record.

-- +goose Up

-- A page of records is read in the order of keys from the primary key alone, with what it is narrowed by beside each
-- key: whatever the filters and however few match, no document is read that is not shown. One index more per filter
-- would have to be written with every record, and would serve only that filter. The price is that a record's update
-- writes a new entry here (it is no HOT update any more).
--
-- Each table is locked while its key is built anew.
ALTER TABLE properties DROP CONSTRAINT properties_pkey, ADD CONSTRAINT properties_pkey PRIMARY KEY (tenant_id, record_key)
    INCLUDE (deleted, updated_at, list_price, standard_status, city, bedrooms_total);
ALTER TABLE ownership DROP CONSTRAINT ownership_pkey,
    ADD CONSTRAINT ownership_pkey PRIMARY KEY (tenant_id, record_key) INCLUDE (deleted, updated_at);
ALTER TABLE prospects DROP CONSTRAINT prospects_pkey,
    ADD CONSTRAINT prospects_pkey PRIMARY KEY (tenant_id, record_key) INCLUDE (deleted, updated_at);
ALTER TABLE leases DROP CONSTRAINT leases_pkey,
    ADD CONSTRAINT leases_pkey PRIMARY KEY (tenant_id, record_key) INCLUDE (deleted, updated_at);
ALTER TABLE offers DROP CONSTRAINT offers_pkey,
    ADD CONSTRAINT offers_pkey PRIMARY KEY (tenant_id, record_key) INCLUDE (deleted, updated_at);
ALTER TABLE documents DROP CONSTRAINT documents_pkey,
    ADD CONSTRAINT documents_pkey PRIMARY KEY (tenant_id, record_key) INCLUDE (deleted, updated_at);

-- The events of one record. None of it ever changes, so that it costs an entry per event and none per stage.
--
-- The condition hides it from whoever looks an event up by its UID: without statistics, the planner took one index that
-- begins with tenant_id for as good as the other, and read all events of the tenant.
CREATE INDEX progress_by_record ON progress (tenant_id, record_key, accepted_at) WHERE record_key IS NOT NULL;

-- +goose Down

DROP INDEX progress_by_record;
ALTER TABLE documents DROP CONSTRAINT documents_pkey, ADD CONSTRAINT documents_pkey PRIMARY KEY (tenant_id, record_key);
ALTER TABLE offers DROP CONSTRAINT offers_pkey, ADD CONSTRAINT offers_pkey PRIMARY KEY (tenant_id, record_key);
ALTER TABLE leases DROP CONSTRAINT leases_pkey, ADD CONSTRAINT leases_pkey PRIMARY KEY (tenant_id, record_key);
ALTER TABLE prospects DROP CONSTRAINT prospects_pkey, ADD CONSTRAINT prospects_pkey PRIMARY KEY (tenant_id, record_key);
ALTER TABLE ownership DROP CONSTRAINT ownership_pkey, ADD CONSTRAINT ownership_pkey PRIMARY KEY (tenant_id, record_key);
ALTER TABLE properties DROP CONSTRAINT properties_pkey, ADD CONSTRAINT properties_pkey PRIMARY KEY (tenant_id, record_key);
