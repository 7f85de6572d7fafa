-- The figures of the operators' console, one row each ten minutes, forgotten after a day: whoever looks sees since when.

create table symptom_samples (
  at timestamptz primary key, -- a full ten minutes: of two processes that take it at once one does
  unsent integer not null,
  in_progress integer not null,
  pending integer not null,
  reported integer not null, -- in the hour before
  failed integer not null, -- in the hour before, without a usable report
  hosts integer not null,
  lag_seconds double precision not null, -- of the daemon that is furthest behind
  unsealed_seconds double precision not null,
  dead_letters integer not null,
  database_bytes bigint not null
);

-- read by who forgets what is old
create index host_events_by_age on host_events using brin (at);
create index results_with_words on results (reported_at) where error_detail is not null;
