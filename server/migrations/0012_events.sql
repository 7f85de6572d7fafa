-- Events of campaigns are read in an order in which nothing appears later in front of what was read.
alter table campaign_events add column xid xid8 not null default pg_current_xact_id();
drop index campaign_events_of_campaign;
create index campaign_events_of_campaign on campaign_events (campaign_id, xid, id);
