-- The chain is looked through in turn, some blocks at a time: up to which block this round has come, and when it began.
create table chain_round (
  single boolean primary key default true check (single),
  after_block bigint not null default 0,
  begun_at timestamptz
);
insert into chain_round default values;

alter table upkeep drop constraint upkeep_kind_check;
alter table upkeep add constraint upkeep_kind_check check (kind in ('backup', 'restore_test', 'ledger_check', 'chain_check'));
