-- What all results took up to a moment, so that nobody reads every result to say it: whoever asks adds what came since.
create table spent_totals (
  one boolean primary key default true check (one),
  until timestamptz not null, -- of results.reported_at; what is up to it never changes any more
  results bigint not null,
  fuel double precision not null,
  cpu_ms double precision not null
);
insert into spent_totals (until, results, fuel, cpu_ms) values ('-infinity', 0, 0, 0);

create index hosts_held_back on hosts (state) where state <> 'active'; -- read by the operators' console
