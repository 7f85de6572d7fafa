-- The corpus as a list: by kernel, by metric, and by recipe.
create index corpus_of_kernel on corpus (kernel_sha256, published_at, work_unit_id) where retracted_at is null;
create index corpus_by_metric on corpus (kernel_sha256, metric_value) where retracted_at is null and metric_value is not null;
create index experiments_by_recipe on experiments (recipe_sha256); -- which campaigns tried one
