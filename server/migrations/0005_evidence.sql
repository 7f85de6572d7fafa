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
