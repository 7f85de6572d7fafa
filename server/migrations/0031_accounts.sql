-- Accounts that people make themselves: passwords, sessions, invitations, attempts to log in, machines that ask for a login.

-- What a name looks like, the same for names that are easily mistaken for each other: server/domain/names.ts makes it. Of names that
-- were given before and look alike, only the oldest gets it.
alter table users add column name_key text, add column email text check (length(email) between 3 and 254);
update users set name_key = id;
update users u set name_key = k.key from (
  select distinct on (key) id, key from (
    select id, replace(replace(translate(
      regexp_replace(lower(normalize(name, nfkd)), '[[:space:]_.''’\u0300-\u036f-]+', '', 'g'), 'i1|0', 'lllo'), 'rn', 'm'), 'vv', 'w') as key
    from users) as keys
  where key <> '' order by key, id) as k
where k.id = u.id;
alter table users alter column name_key set not null, add constraint one_look unique (name_key);

create table passwords (
  user_id text primary key references users on delete cascade,
  hash text not null, -- argon2id with its parameters and salt, as the PHC string format writes it
  changed_at timestamptz not null
);

create table sessions ( -- a browser that is logged in
  id text primary key,
  user_id text not null references users on delete cascade,
  hash text not null unique, -- SHA-256 of what its cookie holds
  device text not null, -- which browser on which system, in words
  created_at timestamptz not null,
  seen_at timestamptz not null,
  expires_at timestamptz not null
);
create index sessions_of_user on sessions (user_id);
create index sessions_expiry on sessions (expires_at);

create table attempts ( -- guesses of passwords and codes, until a right one or until they are forgotten
  scope text primary key, -- what guesses are counted of: an account, an address, a browser that is known
  failures integer not null check (failures >= 0),
  last_at timestamptz not null
);
create index attempts_age on attempts (last_at);

create table invitations ( -- whoever has the code makes an account of this role
  id text primary key,
  hash text not null unique,
  role role not null,
  label text not null,
  uses_left integer not null check (uses_left >= 0),
  made_by text references users, -- null: the server itself, for the first operator
  created_at timestamptz not null,
  expires_at timestamptz not null
);
create index invitations_expiry on invitations (expires_at);
