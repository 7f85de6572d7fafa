-- Webhooks: events of campaigns, told to addresses that their owners named, at least once and in order.

create type webhook_state as enum ('active', 'disabled');
create table webhooks (
  id text primary key,
  owner_id text not null references users,
  campaign_id text references campaigns, -- null: every campaign of its owner
  url text not null,
  kinds text[] not null, -- of events; none: every kind
  state webhook_state not null default 'active',
  created_at timestamptz not null,
  -- Events of transactions that were not over when it was made, and of later ones.
  since xid8 not null default pg_snapshot_xmin(pg_current_snapshot()),
  failures integer not null default 0 check (failures >= 0), -- in a row, of the message that is due
  retry_at timestamptz, -- after a failure; nothing but tests is sent before
  taken_until timestamptz, -- somebody is sending; after this moment he is taken for dead
  disabled_at timestamptz,
  disabled_reason text,
  constraint reason_iff_disabled check ((state = 'disabled') = (disabled_at is not null and disabled_reason is not null))
);
create index webhooks_of_owner on webhooks (owner_id, id);
create index webhooks_of_campaign on webhooks (campaign_id) where campaign_id is not null;

create type delivery_state as enum ('pending', 'delivered', 'failed');
create table webhook_deliveries (
  id text primary key, -- what receivers know a message by
  number bigint generated always as identity, -- the order in which they are sent
  webhook_id text not null references webhooks on delete cascade,
  event_id bigint references campaign_events, -- null: a test that somebody asked for
  kind text not null,
  body text not null, -- what is signed and sent, byte for byte, every time
  state delivery_state not null default 'pending',
  attempts integer not null default 0 check (attempts >= 0),
  created_at timestamptz not null,
  attempted_at timestamptz,
  status integer, -- of the last answer
  error text, -- why the last attempt failed
  constraint delivered_by_an_attempt check (state <> 'delivered' or attempts > 0),
  unique (webhook_id, event_id) -- collecting twice adds nothing
);
create index webhook_deliveries_pending on webhook_deliveries (webhook_id, number) where state = 'pending';
create index webhook_deliveries_of_webhook on webhook_deliveries (webhook_id, id);
create index webhook_deliveries_old on webhook_deliveries (created_at) where state <> 'pending';

create table webhook_cursor ( -- up to where events have become deliveries
  single boolean primary key default true check (single),
  xid xid8 not null,
  event_id bigint not null
);
insert into webhook_cursor (xid, event_id) values ('0', 0);
create index campaign_events_in_order on campaign_events (xid, id); -- read by who collects
