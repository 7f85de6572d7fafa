-- Kernels that others propose: read by the server, judged by an operator.

alter type scope add value if not exists 'kernel';

create type proposal_state as enum ('received', 'checked', 'rejected', 'admitted', 'withdrawn');

create table kernel_proposals (
  id text primary key,
  owner_id text not null references users,
  state proposal_state not null default 'received',
  release_sha256 text not null check (release_sha256 ~ '^[0-9a-f]{64}$'),
  bytes integer not null check (bytes > 0),
  release bytea, -- kept here, and not among the files that anybody may read, until it is decided on
  manifest jsonb, -- once it was read
  module_sha256 text check (module_sha256 ~ '^[0-9a-f]{64}$'),
  reasons jsonb not null default '[]',
  rebuilt boolean, -- whether the operator's compiler gave the same module
  submitted_at timestamptz not null,
  decided_at timestamptz,
  unique (owner_id, release_sha256), -- the same release twice is one proposal
  constraint open_until_decided check ((state in ('received', 'checked')) = (decided_at is null)),
  constraint release_while_open check ((state in ('received', 'checked')) = (release is not null)),
  constraint read_once_checked check (state not in ('checked', 'admitted') or (manifest is not null and module_sha256 is not null)),
  constraint reasons_iff_rejected check ((state = 'rejected') = (jsonb_array_length(reasons) > 0)),
  constraint rebuilt_iff_admitted check ((state = 'admitted') = (rebuilt is not null))
);
-- read at each submission: what this owner has waiting, and what came within a day
create index proposals_of_owner on kernel_proposals (owner_id, submitted_at);
-- swept: what nobody looked at
create index proposals_received on kernel_proposals (submitted_at) where state = 'received';

-- Whose name it is. Null: the operator's own.
alter table kernels add column owner_id text references users;
