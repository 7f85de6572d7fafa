-- Trust: streaks, adaptive replication, checks drawn at random, provisional results, re-opening, exclusion.

alter type host_state add value 'paused' before 'quarantined'; -- its owner's other host cheated: it is checked again
create type unit_policy as enum ('adaptive', 'fixed');
create type unit_check as enum ('none', 'sample', 'verifier');
create type lane as enum ('anyone', 'proven', 'unproven', 'verifier');
create type check_draw as enum ('none', 'replica', 'verifier');

alter table work_units
  add column policy unit_policy not null default 'fixed', -- of units that were there before
  add column wanted_check unit_check not null default 'none',
  add column demand text, -- why: disagreement, sample, record, audit, reopened
  add column canary boolean not null default false,
  add column audited_at timestamptz, -- when a check of its standing answer was drawn at random
  add column reopened_at timestamptz,
  add column metric double precision, -- of the canonical result, if it has one: read by the rule of records
  add constraint metric_only_if_valid check (metric is null or state = 'valid');
alter table work_units alter column policy set default 'adaptive';
update work_units set wanted_check = 'verifier', demand = 'disagreement' where disputed;
create index work_units_by_metric on work_units (campaign_id, metric) where metric is not null;
create index work_units_scored on work_units (campaign_id, id desc) where metric is not null;
create index work_units_by_canonical on work_units (canonical_result_id) where canonical_result_id is not null;

alter table experiments -- a projection of work_units.metric, for leaders
  add column metric_n integer not null default 0,
  add column metric_mean double precision;
create index experiments_leading on experiments (campaign_id, metric_mean) where metric_mean is not null;

alter table results
  add column lane lane not null default 'anyone',
  add column proven boolean not null default false, -- when leased; of a success, when it was accepted
  add column draw check_draw not null default 'none',
  add column confirmed boolean not null default false, -- by the verifier or a proven host of another owner
  add column provisional boolean not null default false, -- it stands alone
  add column decision integer not null default 0, -- how often it was given a verdict
  add column granted_decision integer, -- the verdict that granted_milli was paid for
  add column vested boolean not null default false, -- the grant is not held any more
  add column metric double precision,
  drop constraint paid_only_if_valid,
  add constraint paid_only_if_valid check (granted_milli = 0 or verdict in ('valid', 'pending')), -- pending: re-opened
  add constraint provisional_stands check (not provisional or verdict = 'valid');
update results set lane = 'verifier' where kind = 'check';
update results set granted_decision = 0, decision = 1, vested = true where granted_milli > 0;
update results set decision = 1 where verdict <> 'pending' and decision = 0;
-- What campaigns had before counts as what their records are measured by.
update results set metric = cast(cast(report as jsonb)->'metric'->>'value' as double precision) where outcome = 'success';
update work_units w set metric = r.metric from results r where r.id = w.canonical_result_id and r.metric is not null;
update experiments e set metric_n = s.n, metric_mean = s.mean
  from (select experiment_id, count(*) as n, avg(metric) as mean from work_units where metric is not null
    group by experiment_id) as s
  where e.id = s.experiment_id;
alter table results add constraint paid_for_a_verdict check ((granted_milli = 0) = (granted_decision is null));
alter table results add constraint check_is_kept check ((kind = 'check') = (lane = 'verifier'));
drop index results_unsent;
-- read by dispatch, lane by lane: urgent ones first, then the oldest work units (their ids sort by age)
create index results_in_lane on results (lane, priority desc, work_unit_id, id) where state = 'unsent';
-- read by dispatch: what was kept for its lane long enough
create index results_waiting on results (lane, created_at, id) where state = 'unsent';
create index results_provisional on results (host_id) where provisional;
create index results_unconfirmed on results (host_id, reported_at) where verdict = 'valid' and not confirmed;
create index results_not_valid on results (host_id) where verdict <> 'valid';
create index results_by_digest on results (digest) where digest is not null;

alter table hosts add column self_test text not null default 'none'
  check (self_test in ('none', 'demanded', 'passed', 'failed'));
create index hosts_by_owner on hosts (owner_key);

create table streaks ( -- what a host has shown in an engine class since its last fault; changed under the host's lock
  host_id text not null references hosts,
  engine_class text not null,
  count integer not null check (count >= 0),
  fuel bigint not null check (fuel >= 0),
  final_until timestamptz, -- its provisional results reported until then are final
  fault_at timestamptz, -- its unconfirmed results reported until then are judged again
  primary key (host_id, engine_class)
);
create index streaks_long on streaks (host_id) where count >= 10; -- read by dispatch: are there proven hosts?

create table exclusions ( -- hosts that cheated
  host_id text primary key references hosts,
  owner_key text not null,
  reason text not null,
  at timestamptz not null,
  spread_at timestamptz, -- its owner's other hosts were paused
  lifted_at timestamptz -- by an operator
);
create index exclusions_of_owner on exclusions (owner_key, at);
create index exclusions_unspread on exclusions (at) where spread_at is null;

create table campaign_events ( -- what became of what was published before
  id bigint generated always as identity primary key,
  campaign_id text not null references campaigns,
  at timestamptz not null,
  event text not null,
  work_unit_id text references work_units,
  detail text not null
);
create index campaign_events_of_campaign on campaign_events (campaign_id, id);

-- A retracted row stays, marked; what takes its place is the next revision.
alter table corpus
  add column revision integer not null default 0,
  add column provisional boolean not null default false,
  add column retracted_at timestamptz,
  drop constraint corpus_pkey,
  add primary key (work_unit_id, revision);
create unique index corpus_standing on corpus (work_unit_id) where retracted_at is null;
create index corpus_provisional on corpus (campaign_id) where provisional and retracted_at is null;
