-- Engine classes beside the kernel itself: which a unit may be of, what its results are compared by, and what they are paid by.

alter table hosts add column engine_rates jsonb not null default '{}'; -- FLOP/s by class, in the host's own words

alter table work_units
  add column flops bigint check (flops > 0), -- the budget counts FLOPs: those of the whole run; null: it counts fuel
  add column price_milli bigint check (price_milli > 0), -- of 10^9 of what it is paid by; null: the campaign's
  add column exact_key text, -- of a native class: the run key that the kernel itself gives this run
  add column engines text[], -- classes that it may still be of; null: it is of engine_class for good
  add constraint of_one_class unique (id, engine_class);

create table unit_classes ( -- what a unit that may be of several classes is in each
  work_unit_id text not null references work_units,
  engine_class text not null,
  run_key text not null,
  fuel_max bigint not null check (fuel_max > 0),
  price_milli bigint not null check (price_milli > 0),
  primary key (work_unit_id, engine_class)
);

alter table results
  add column engine_class text, -- copied from the work unit when leased; null: leased before there were classes
  add column work bigint check (work >= 0), -- FLOPs made, where the budget counts them: what is paid; null: fuel_used is
  -- of a tolerance class: whether its weights give its metric (V1); without them it is not judged
  add column weights text check (weights in ('awaited', 'equal', 'different', 'missing')),
  add constraint unit_of_one_class foreign key (work_unit_id, engine_class) references work_units (id, engine_class);
create index results_awaiting on results (reported_at) where weights = 'awaited';

create table tolerances ( -- how far honest runs lay apart: by trusted hosts only, frozen for the release once it is known
  kernel_sha256 text not null references kernels (module_sha256),
  engine_class text not null,
  pairs jsonb not null default '[]', -- differences of pairs, while they are gathered
  bounds jsonb, -- null: those of the manifest
  frozen_at timestamptz,
  primary key (kernel_sha256, engine_class),
  constraint frozen_iff_bounds check ((bounds is null) = (frozen_at is null))
);
