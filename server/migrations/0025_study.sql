-- Studies that compute again what was published: what was claimed, and work units that nobody computes who did it before.

create table study_runs (
  campaign_id text not null references campaigns,
  number integer not null check (number >= 0), -- the seed index of its work unit
  recipe jsonb not null,
  recipe_sha256 text not null,
  job text not null,
  run_key text not null,
  seed bigint not null,
  rung smallint not null check (rung between 0 and 3),
  result_id text references results, -- of this server, if the claim is
  digest text not null check (digest ~ '^[0-9a-f]{64}$'),
  status text not null,
  metric_value double precision,
  primary key (campaign_id, number)
);

-- Independent: no replica goes to an owner or network that computed this run key in any campaign, nor to a verifier.
alter table work_units add column independent boolean not null default false;
create index work_units_by_run_key on work_units (run_key); -- read by dispatch for those
