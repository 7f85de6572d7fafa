-- What is done to the server now and then, and when it was last done: an operator sees what was forgotten.

create table upkeep (
  kind text primary key check (kind in ('backup', 'restore_test', 'ledger_check')),
  done_at timestamptz not null,
  detail jsonb not null default '{}'
);
