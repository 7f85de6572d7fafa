-- API keys: tokens that an account makes for its agents and scripts, with scopes, an end and a budget.

alter type scope add value if not exists 'read';
alter type scope add value if not exists 'propose';

alter table tokens
  add column is_key boolean not null default false,
  add column budget_milli bigint check (budget_milli >= 0), -- null: whatever the account has
  add column spent_milli bigint not null default 0 check (spent_milli >= 0), -- set aside with it, less what came back
  add constraint only_keys_spend check (is_key or (budget_milli is null and spent_milli = 0)),
  add constraint never_overspent check (spent_milli <= budget_milli);
create index keys_of_user on tokens (user_id) where is_key;

-- Which key asked for what was set aside: what comes back goes back to its budget.
create table key_charges (
  transfer_key text primary key references transfers (key), -- a reserve
  token_id text not null references tokens on delete cascade
);
create index key_charges_of_key on key_charges (token_id);
