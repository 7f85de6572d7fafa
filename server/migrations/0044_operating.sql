-- What operating a server needs: figures over a day, less of what is old, and keys that follow each other.

-- The figures of the console, one row each ten minutes, forgotten after a day: whoever looks sees since when.

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

-- The keys by which the operator signs kernels and blocks of the ledger. Rows stay: what a key signed remains verifiable.
create table signing_keys (
  key_id text primary key check (key_id ~ '^[0-9a-f]{64}$'), -- its fingerprint
  public_key text not null unique,
  since timestamptz not null,
  until timestamptz, -- null: it signs
  successor jsonb, -- the statement by which it named the next one, signed by it; null: the next one was put in its place by hand
  constraint successor_of_what_is_over check (until is not null or successor is null),
  constraint in_order check (until >= since)
);
create unique index one_key_signs on signing_keys ((true)) where until is null;
