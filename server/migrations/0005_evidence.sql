-- Evidence: what the economics daemon finds, and what weights say about the reports that came with them.

create table alerts ( -- an invariant that did not hold; an operator resolves it
  id bigint generated always as identity primary key,
  kind text not null check (kind in ('work_unit', 'ledger', 'chain')),
  subject text not null, -- what it is about: the id of a work unit, an account, a block
  detail text not null,
  seen_at timestamptz not null,
  last_seen_at timestamptz not null,
  resolved_at timestamptz
);
create unique index alerts_open on alerts (kind, subject) where resolved_at is null;

create index work_units_open on work_units (id) where state = 'open'; -- read by the daemon: is there anything to do?
create index work_units_canaries on work_units (id) where canary and state = 'open';
create index results_lately on results (reported_at) where reported_at is not null; -- read by the fraud report

create table evaluations ( -- weights that a verifier looks at: never a replica, never judged, never shown
  id text primary key, -- to the verifier it is a result like any other
  result_id text not null unique references results, -- whose weights
  sha256 text not null references files,
  job text not null,
  run_key text not null,
  host_id text references hosts,
  deadline timestamptz,
  created_at timestamptz not null,
  ended_at timestamptz,
  outcome text check (outcome in ('decoy', 'equal', 'different', 'failed')),
  acted_at timestamptz, -- what follows from it was done
  constraint ended_iff_outcome check ((ended_at is null) = (outcome is null)),
  constraint held_until check ((host_id is null) = (deadline is null))
);
create index evaluations_open on evaluations (created_at) where outcome is null;
create index evaluations_to_act on evaluations (ended_at) where outcome = 'different' and acted_at is null;
create index file_requests_received on file_requests (received_at) where received_at is not null;

-- Bits per byte of val that no model reaches which has not seen it; null: not known.
alter table datasets add column metric_floor double precision;

alter table file_requests add column given_up_at timestamptz; -- it did not come in a day
drop index file_requests_open;
create index file_requests_open on file_requests (host_id) where received_at is null and given_up_at is null;
create index file_requests_waiting on file_requests (requested_at) where received_at is null and given_up_at is null;
