-- Few rows of many are found without a look at the others.
create index work_units_failed on work_units (campaign_id) where failure is not null; -- read by the leaderboard
create index experiments_from_outside on experiments (campaign_id, ordinal) where proposer_id is not null; -- read by the proposer: which wait for units?
