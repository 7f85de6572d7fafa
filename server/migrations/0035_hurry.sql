-- Since when a second host is asked beside whoever computes, because that takes much longer than others did.
alter table work_units add column hurried_at timestamptz;
create index work_units_hurried on work_units (campaign_id) where hurried_at is not null; -- read by the daemon: how many may it still?
