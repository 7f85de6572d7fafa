-- One index instead of two: the results of a unit, and that no owner has two of them. Those that nobody took, and trusted hosts', have no
-- owner here, so that there may be any number of them.
drop index one_result_per_owner;
drop index results_of_work_unit;
create unique index one_result_per_owner on results (work_unit_id, (case when not trusted then owner_key end));
