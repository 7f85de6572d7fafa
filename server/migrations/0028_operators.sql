-- What operators do: every act with its reason, and what it needs to be undone.

create table operator_acts ( -- append-only, but for the mark that it was undone
  id text primary key,
  at timestamptz not null,
  by_user text references users, -- null: at the command line of the machine itself
  preview text unique, -- SHA-256 of the token that it was previewed under: the same token acts once
  kind text not null,
  act jsonb not null,
  subject text, -- the one host, account, campaign, kernel or alert that it was about; null: those of a filter
  reason text not null check (length(reason) between 1 and 500),
  touched integer not null check (touched >= 0),
  sentence text not null,
  inverse jsonb, -- the act that takes it back; null: none does
  undo_until timestamptz,
  undone_by text references operator_acts,
  undoes text unique references operator_acts, -- an act is undone once
  constraint undo_iff_inverse check ((inverse is null) = (undo_until is null)),
  constraint undone_only_if_possible check (undone_by is null or inverse is not null)
);
create index operator_acts_about on operator_acts (subject, id) where subject is not null; -- the log of one thing
create index operator_acts_of on operator_acts (by_user, id);

alter table users
  add column blocked_at timestamptz, -- no token of it is taken
  add column campaigns_open_max integer check (campaigns_open_max >= 0), -- null: as everybody's
  add column experiments_open_max integer check (experiments_open_max >= 0);
create index users_lately on users (created_at); -- the newcomers of a day
create index hosts_lately on hosts (created_at);

alter table kernels add column deprecated_at timestamptz; -- nobody submits with it any more

-- Read by the console: what waits, and since when.
create index results_leased on results (sent_at) where state = 'in_progress';
create index results_lost on results (deadline) where outcome = 'no_reply';
