-- What changes at each step of a result is written where a row is small and in one index, not in the rows of units and results.

-- Units that somebody touched: taken by whoever looks at them next. Written and removed under the lock of the unit.
create table touched_units (
  work_unit_id text primary key,
  at timestamptz not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
-- A lease does not touch its unit: who looks finds what is past its deadline.
create index results_overdue on results (deadline) where state = 'in_progress';
drop index results_leased; -- what is leased at all is counted by the new one
alter table work_units drop constraint work_units_awaits_check,
  add constraint work_units_awaits_check check (awaits in ('validate', 'assimilate', 'repair')); -- repair: the code cannot get over it

-- Verdicts that hosts have not heard.
create table untold_verdicts (
  host_id text not null,
  result_id text not null,
  primary key (host_id, result_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
insert into untold_verdicts (host_id, result_id) select host_id, id from results where not verdict_told and host_id is not null;
drop index results_untold;
alter table results drop column verdict_told;

-- Results that stand alone until a check of their host passes: at most one of a unit.
create table provisional_results (
  work_unit_id text primary key,
  result_id text not null,
  host_id text not null,
  campaign_id text not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
create index provisional_of_host on provisional_results (host_id);
create index provisional_of_campaign on provisional_results (campaign_id);
insert into provisional_results (work_unit_id, result_id, host_id, campaign_id)
  select w.id, r.id, r.host_id, w.campaign_id from results r join work_units w on w.id = r.work_unit_id
  where r.provisional on conflict do nothing;
drop index results_provisional;
drop index corpus_provisional;
drop index corpus_comparable;
alter table results drop column provisional;
alter table corpus drop column provisional;
create index corpus_comparable on corpus (kernel_sha256, dataset_sha256, job_limit, engine_class, metric_value)
  where retracted_at is null and rung = 3 and metric_value is not null;

-- One index where there were two: a campaign tries a recipe once, and its unchanged recipe besides. Also read by what asks which
-- campaigns tried a recipe.
drop index experiments_recipe;
drop index experiments_by_recipe;
create unique index experiments_recipe on experiments (recipe_sha256, campaign_id, baseline);
drop index sealed_by_block; -- a block's rows are those of its places
