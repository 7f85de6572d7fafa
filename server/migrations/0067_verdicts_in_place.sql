-- A verdict is given in place: what that changes is in no index of the results' rows (decision 0063).

-- In the order of an older program that runs beside this: who reports or judges holds results and then wants the other.
lock table results, untold_verdicts;

-- Results whose host has something to hear of them yet, or that are not valid. Written with the report, so that a verdict writes nothing here;
-- it goes when a valid one was told. An older program knows another table, and fails where it would forget what is not valid.
create table unsettled_results (
  host_id text not null,
  result_id text not null,
  told boolean not null default false, -- nothing more is to be said of it until it is judged again
  primary key (host_id, result_id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000);
insert into unsettled_results (host_id, result_id, told)
  select r.host_id, r.id, r.verdict <> 'pending' and u.result_id is null
  from results r left join untold_verdicts u on u.host_id = r.host_id and u.result_id = r.id
  where r.verdict <> 'valid' or u.result_id is not null;
drop table untold_verdicts;
drop index results_not_valid;

drop index results_unconfirmed;
-- Read by the job `standing`: what is judged again of a host in doubt. From the report on, until somebody vouches for it.
create index results_unconfirmed on results (host_id, reported_at) where outcome = 'success' and not confirmed;
drop index results_seen; -- a unit has few results: those of one_result_per_owner
alter table results set (fillfactor = 50); -- results of a page are leased, reported and judged together: room for the second version of all
