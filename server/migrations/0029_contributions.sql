-- What volunteers gave, kept up to date by the sweep `contributions` from the ledger and the events, so that a page of a board is read
-- by one index however many hosts and results there are. Everything here can be derived again: delete it all and reset the cursor.
create type contribution_via as enum ('all', 'tab', 'cli');

create table contributors (
  party text not null check (party = 'anonymous' or party ~ '^(user|host):'), -- anonymous: the sum of all hosts nobody claimed
  via contribution_via not null,
  since timestamptz not null,
  impact_at timestamptz not null, -- of the last impact, else since: breaks ties
  valid_all bigint not null,
  valid_year bigint not null,
  valid_week bigint not null,
  credit_all bigint not null, -- milli-credits that are final
  credit_year bigint not null,
  credit_week bigint not null,
  fuel_all double precision not null, -- beyond 2^53 rounded
  fuel_year double precision not null,
  fuel_week double precision not null,
  impact_all bigint not null,
  impact_year bigint not null,
  impact_week bigint not null,
  recent double precision, -- log2 of the sum of credit · 2^(days since 1970 / 7): its order is the same at any moment
  primary key (party, via)
);
create index contributors_credit_all on contributors (via, credit_all desc, since, party) where party like 'user:%';
create index contributors_credit_year on contributors (via, credit_year desc, since, party) where party like 'user:%';
create index contributors_credit_week on contributors (via, credit_week desc, since, party) where party like 'user:%';
create index contributors_impact_all on contributors (via, impact_all desc, impact_at, party) where party like 'user:%';
create index contributors_impact_year on contributors (via, impact_year desc, impact_at, party) where party like 'user:%';
create index contributors_impact_week on contributors (via, impact_week desc, impact_at, party) where party like 'user:%';
create index contributors_recent on contributors (via, recent desc, since, party)
  where party like 'user:%' and recent is not null;

create table contribution_days ( -- days (UTC) within a year; what is older is one row of 1970-01-01
  party text not null,
  via contribution_via not null,
  day date not null,
  valid bigint not null,
  credit bigint not null,
  fuel double precision not null,
  impact bigint not null,
  primary key (party, via, day)
);
create index contribution_days_by_day on contribution_days (day);

create table impacts ( -- results that became a campaign's best, or decided a verdict: each counts once
  result_id text primary key references results,
  at timestamptz not null
);

create table contribution_cursor ( -- up to where ledger and events are counted
  single boolean primary key default true check (single),
  transfer_xid xid8 not null,
  transfer_id bigint not null,
  event_xid xid8 not null,
  event_id bigint not null,
  at timestamptz not null -- week and year end with the day of this moment
);
insert into contribution_cursor (transfer_xid, transfer_id, event_xid, event_id, at) values ('0', 0, '0', 0, to_timestamp(0));
create index users_deleted on users (deleted_at) where deleted_at is not null;
