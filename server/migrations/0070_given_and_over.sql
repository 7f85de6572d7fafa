-- A lease is written to one place less: what a host holds is in results_held, and here what is over (store/results.ts).
create index results_over_of_host on results (host_id, sent_at) where state = 'over' and host_id is not null; -- read on meanwhile
drop index results_of_host;
alter index results_over_of_host rename to results_of_host;
