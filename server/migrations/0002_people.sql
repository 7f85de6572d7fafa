-- People: enrolment against work, networks, self-tests, notices, appeals, the public log of actions.

create table spent_challenges ( -- a solved challenge enrols one host; forgotten once it would be refused as expired
  nonce text primary key check (nonce ~ '^[0-9a-f]{32}$'),
  expires_at timestamptz not null
);
create index spent_challenges_expiry on spent_challenges (expires_at);
create table enrolment_counts ( -- enrolments without a token: of everybody by the minute, of a network by the day
  scope text not null,
  since timestamptz not null,
  count integer not null check (count > 0),
  primary key (scope, since)
);

-- The network a host was last seen in, as an HMAC; null for networks that many people share by design, and once it is older
-- than 30 days. No two hosts of one network get results of one work unit, whoever owns them.
alter table hosts
  add column prefix text,
  add column prefix_seen_at timestamptz,
  add constraint prefix_has_time check ((prefix is null) = (prefix_seen_at is null));
create index hosts_prefix_age on hosts (prefix_seen_at) where prefix is not null;
alter table results add column prefix text; -- copied from the host when leased
create unique index one_result_per_prefix on results (work_unit_id, prefix) where prefix is not null and not trusted;
create index results_naming_networks on results (sent_at) where prefix is not null or owner_key like 'prefix:%';
