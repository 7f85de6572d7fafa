-- Calls that make something and were given an idempotency key: repeated, they are answered as they were.

create table idempotent_calls (
  user_id text not null references users on delete cascade,
  key text not null,
  operation text not null, -- method and address
  body_sha256 text not null,
  at timestamptz not null,
  status integer check (status between 200 and 299), -- null only inside the transaction that acts
  location text,
  reply text,
  primary key (user_id, key)
);
create index idempotent_calls_at on idempotent_calls (at);
