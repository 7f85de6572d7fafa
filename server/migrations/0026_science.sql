-- Metrics of different engine classes are not comparable: each has a leaderboard of its own.
alter table corpus add column engine_class text not null default 'wasm';
update corpus c set engine_class = w.engine_class
  from work_units w where w.id = c.work_unit_id and w.engine_class <> 'wasm';

-- Read by the leaderboards of kernels: which boards there are, and each from its best run on.
create index corpus_comparable on corpus (kernel_sha256, dataset_sha256, job_limit, engine_class, metric_value)
  where retracted_at is null and rung = 3 and not provisional and metric_value is not null;
