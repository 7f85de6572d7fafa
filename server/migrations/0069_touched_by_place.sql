-- Taken by its place (store/wakes.ts): no index names the unit, and one that is touched twice is there twice (decision 0065).
alter table touched_units drop constraint touched_units_pkey;
-- Who publishes all tables to others (wal_level = logical) could not remove rows otherwise.
alter table touched_units replica identity full;
