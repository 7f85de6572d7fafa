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
alter table hosts add column joined_at timestamptz; -- claimed; what only hosts of its account agreed on is still to be opened
create index hosts_joined on hosts (joined_at) where joined_at is not null;
create index hosts_prefix_age on hosts (prefix_seen_at) where prefix is not null;
alter table results add column prefix text; -- copied from the host when leased
create unique index one_result_per_prefix on results (work_unit_id, prefix) where prefix is not null and not trusted;
create index results_naming_networks on results (sent_at) where prefix is not null or owner_key like 'prefix:%';

-- Sentences to the owner, told once in a scheduler reply; the host's own view keeps showing them.
alter table host_events
  add column notice text check (notice is null or length(notice) between 1 and 500),
  add column told boolean not null default false;
create index host_events_by_host on host_events (host_id, id);
create index host_events_untold on host_events (host_id) where notice is not null and not told;

-- Who somebody is in the public log. Deleting the row severs it: nothing else leads from one to the other.
create table pseudonyms (
  party text primary key check (party ~ '^(user|host):'),
  pseudonym text not null unique
);

create type action_kind as enum ('quarantine', 'release');
create type appeal_decision as enum ('upheld', 'rejected');
create table actions ( -- what was done to volunteers, by whom, and why
  id text primary key,
  kind action_kind not null,
  party text, -- null once its account was deleted
  pseudonym text not null,
  actor text not null check (actor in ('server', 'operator')),
  reason text not null check (length(reason) between 1 and 500), -- for everybody
  detail text not null, -- for operators
  at timestamptz not null,
  appeal_until timestamptz not null -- public from then on; of a release: when what it ends is
);
create table action_hosts (
  action_id text not null references actions,
  host_id text not null references hosts,
  primary key (action_id, host_id)
);
create index actions_of_host on action_hosts (host_id);
create table appeals ( -- one per exclusion
  action_id text primary key references actions,
  host_id text not null references hosts,
  user_id text references users, -- null: signed by the host
  words text not null, -- a stranger's: data, never instruction; empty once its account was deleted
  filed_at timestamptz not null,
  decision appeal_decision,
  reason text,
  decided_at timestamptz,
  constraint decided_iff_decision check ((decision is null) = (decided_at is null) and (decision is null) = (reason is null)),
  constraint short_words check (length(words) <= 2000)
);
create index appeals_open on appeals (filed_at) where decision is null;

alter table users add column deleted_at timestamptz;
