-- A sixteenth of what is alive says how much of a campaign is unsent: read at each look at it (store/progress.ts).
create index live_units_sampled on live_units (campaign_id, work_unit_id) where right(work_unit_id, 1) in ('0', '1');
