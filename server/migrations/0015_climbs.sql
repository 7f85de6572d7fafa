-- Runs that are stopped early: which experiments went on to which rung, and what was known then.

create table search_climbs ( -- append-only
  campaign_id text not null references campaigns,
  ordinal integer not null,
  rung smallint not null check (rung between 1 and 3),
  asked integer not null check (asked >= 0), -- how many reports the history had: it makes the decision computable again
  primary key (campaign_id, ordinal, rung),
  foreign key (campaign_id, ordinal) references experiments (campaign_id, ordinal)
);

-- Read by the proposer: what became public since it told its sampler last.
create index work_units_published on work_units (campaign_id, published_at);

-- Until now no run was stopped early, whatever the sampler: what exists stays so.
update campaigns set file = jsonb_set(file, '{stop}', coalesce(file->'stop', '{}') || '{"prune": "none"}')
  where file->'stop'->'prune' is null;
update campaign_revisions set file = jsonb_set(file, '{stop}', coalesce(file->'stop', '{}') || '{"prune": "none"}')
  where file->'stop'->'prune' is null;
