-- What was published of a run is found by the units that have its key: one random place less for each row of the corpus.
drop index corpus_by_run_key;
