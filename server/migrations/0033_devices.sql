-- Machines that ask for a login: a program shows a code, a person who is logged in confirms it.

create type device_state as enum ('waiting', 'approved', 'denied');
create table device_requests ( -- forgotten when over; the address is shown to who confirms, and to nobody else
  hash text primary key, -- SHA-256 of what the program keeps to itself
  user_code text not null unique check (user_code ~ '^[BCDFGHJKLMNPQRSTVWXZ]{8}$'),
  machine text not null,
  address text not null,
  scopes scope[] not null check (cardinality(scopes) > 0),
  state device_state not null default 'waiting',
  decided_by text references users on delete cascade,
  asked_at timestamptz not null,
  expires_at timestamptz not null,
  polled_at timestamptz,
  interval_ms integer not null check (interval_ms > 0),
  constraint decided_by_somebody check ((state = 'waiting') = (decided_by is null))
);
create index device_requests_expiry on device_requests (expires_at);
