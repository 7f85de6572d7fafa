-- The row of a work unit says what is due, so that batches take hundreds of them: no request is written for each.

alter table work_units add column awaits text check (awaits in ('validate', 'assimilate')); -- between processes of different roles
create index work_units_awaiting on work_units (awaits, id) where awaits is not null; -- read by those
