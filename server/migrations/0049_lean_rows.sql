-- What becomes final is found by the moment until which its host was checked, without a look at units and results.
alter table provisional_results add column engine_class text, add column reported_at timestamptz;
update provisional_results p set engine_class = w.engine_class, reported_at = r.reported_at
  from results r, work_units w where r.id = p.result_id and w.id = p.work_unit_id;
alter table provisional_results alter column engine_class set not null, alter column reported_at set not null;
drop index provisional_of_host;
create index provisional_of_host on provisional_results (host_id, engine_class, reported_at);
