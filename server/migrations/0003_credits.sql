-- Credits complete: held grants, debts, starters with limits, and the chain of sealed blocks.

alter type transfer_kind add value 'lapse';
alter type transfer_kind add value 'claim';
alter type transfer_kind add value 'vest';
alter type transfer_kind add value 'reverse';
alter type transfer_kind add value 'forfeit';
alter type transfer_kind add value 'restore';
alter type transfer_kind add value 'repay';

alter table accounts add constraint known_accounts
  check (name ~ '^(mint|forfeit|escrow:.+|(held:)?(user|host):.+)$');

create index transfers_of_result on transfers (result_id) where result_id is not null; -- receipts, grants, debts
create index transfers_debit on transfers (debit, id); -- an account's last entries
create index transfers_credit on transfers (credit, id);
create index transfers_overrun on transfers (created_at) where kind = 'overrun'; -- today's, against the cap
create index transfers_reversed on transfers (created_at) where credit = 'forfeit'; -- what waits for an appeal
create index transfers_to_seal on transfers (xid, id); -- the order of the chain

-- read by every scheduler call: what a host may still hope for
create index results_pending on results (host_id) where verdict = 'pending';

-- What a payee owes: reversed after it was spent. What is open of it is this less the transfers of kind repay.
create table debts (
  result_id text not null references results,
  decision integer not null check (decision >= 0),
  campaign_id text not null references campaigns,
  payee text not null,
  amount_milli bigint not null check (amount_milli > 0),
  created_at timestamptz not null,
  due_at timestamptz not null, -- when the appeal period ends
  forgiven_at timestamptz, -- an appeal was won
  primary key (result_id, decision)
);
create index debts_open on debts (payee) where forgiven_at is null;

-- Grants that wait because the overrun of their day is used up; they go when they are paid.
create table deferred_grants (
  result_id text not null references results,
  decision integer not null,
  campaign_id text not null references campaigns,
  payee text not null,
  amount_milli bigint not null check (amount_milli > 0),
  vest boolean not null, -- final already
  created_at timestamptz not null,
  primary key (result_id, decision)
);

create table starters ( -- one per account, for ever
  user_id text primary key references users,
  prefix text, -- an HMAC; null when an operator invited
  amount_milli bigint not null check (amount_milli > 0),
  granted_at timestamptz not null,
  lapses_at timestamptz not null check (lapses_at > granted_at),
  closed_at timestamptz -- nothing of it can come back any more
);
create index starters_by_day on starters (granted_at);
create index starters_to_lapse on starters (lapses_at) where closed_at is null;

-- The chain. A block names its rows one by one and keeps the hash of each, so that a row changed later is found by name.
create table blocks (
  number bigint primary key check (number >= 1),
  hash text not null unique check (hash ~ '^[0-9a-f]{64}$'),
  statement text not null, -- RFC 8785 bytes under the hash and the signature
  signature text not null,
  last_xid xid8 not null,
  last_id bigint not null
);
create table sealed_transfers (
  position bigint primary key check (position >= 1), -- counted through all blocks
  block bigint not null references blocks,
  transfer_id bigint not null unique, -- no foreign key: a row that somebody deleted must still be named here
  leaf text not null check (leaf ~ '^[0-9a-f]{64}$')
);
create index sealed_by_block on sealed_transfers (block);
create trigger blocks_append_only before update or delete or truncate on blocks
  for each statement execute function refuse_change();
create trigger sealed_append_only before update or delete or truncate on sealed_transfers
  for each statement execute function refuse_change();

-- Starters from before they had limits lapse as well.
insert into starters (user_id, amount_milli, granted_at, lapses_at)
  select u.id, t.amount_milli, t.created_at, t.created_at + interval '90 days'
  from transfers t join users u on t.credit = 'user:' || u.id
  where t.kind = 'starter' on conflict do nothing;
