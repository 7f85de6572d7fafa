-- Runs that end early: a work unit computes a run up to the end of one of its four rungs, of which the last is the whole run.

alter table work_units
  add column rung smallint not null default 3 check (rung between 0 and 3),
  drop constraint work_units_experiment_id_seed_index_key,
  add unique (experiment_id, seed_index, rung),
  -- what is compared, ranked and paid a record is what whole runs gave
  add constraint metric_of_whole_runs check (metric is null or rung = 3);

alter table corpus add column rung smallint not null default 3 check (rung between 0 and 3);
