-- The statement that writes units joins their experiments, which are never deleted; a reference locks each of them for it (decision 0060).
alter table work_units drop constraint work_units_experiment_id_fkey;
