-- What a sampler was told, in order: it makes every proposal of a campaign computable again.

-- How many reports the history had when the experiment was proposed; 0 of those that were planned in advance.
alter table experiments add column asked integer not null default 0 check (asked >= 0);

create table search_reports ( -- append-only; a later report of an experiment replaces an earlier one
  campaign_id text not null references campaigns,
  position integer not null check (position >= 0),
  ordinal integer not null,
  outcome jsonb not null, -- server/search/history.ts, Outcome
  at timestamptz not null,
  primary key (campaign_id, position),
  foreign key (campaign_id, ordinal) references experiments (campaign_id, ordinal)
);
create index search_reports_of_experiment on search_reports (campaign_id, ordinal, position);
create index corpus_of_experiment on corpus (experiment_id); -- read by the proposer: what became of an experiment
