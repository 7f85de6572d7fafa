-- Keys that enrol a number of machines: what an enrolment link carries.
alter table tokens
  add column hosts_left integer check (hosts_left >= 0), -- null: as many as there are
  add constraint only_keys_bound_hosts check (is_key or hosts_left is null);
