-- A published run is written to one place less, and to a narrower one (decision 0061).
drop index corpus_of_experiment; -- runs of an experiment are those of its units
-- Of what is comparable, best first, and from one board to the next: hashes and a limit were compared in full at each step to a place.
drop index corpus_comparable;
create index corpus_comparable on corpus
  ((left(kernel_sha256, 16) || left(dataset_sha256, 16) || cast(job_limit as text) || engine_class), metric_value)
  where retracted_at is null and rung = 3 and metric_value is not null;
