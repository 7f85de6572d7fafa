-- What the valid metrics of an experiment say, in a row that is small: its own row is wide and in four indexes, and was written again for
-- each run that was accepted. A projection of work_units.metric.
create table experiment_scores (
  campaign_id text not null,
  experiment_id text not null,
  n integer not null check (n >= 0),
  mean double precision,
  m2 double precision not null, -- sum of squared differences from the mean
  constraint mean_if_any check ((n = 0) = (mean is null)),
  primary key (campaign_id, experiment_id) -- also read by the rule of records: the latest of a campaign (ids sort by age)
);
insert into experiment_scores (campaign_id, experiment_id, n, mean, m2)
  select campaign_id, experiment_id, count(*), avg(metric), var_pop(metric) * count(*)
  from work_units where metric is not null group by campaign_id, experiment_id;
create index experiment_scores_leading on experiment_scores (campaign_id, mean) where mean is not null; -- read by what asks who leads

drop index experiments_leading;
alter table experiments drop column metric_n, drop column metric_mean;
drop index work_units_by_metric; -- the rule of records reads the best run of those that lead
drop index work_units_scored; -- and how runs scatter from the scores
