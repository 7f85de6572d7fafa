-- Rows that are changed several times in their life are written once for each index that they are in: what no query needs goes.

drop index results_pending; -- what is pending is not valid: results_not_valid
drop index work_units_unpublished; -- work_units_published finds null as well
drop index work_units_open; -- work_units_of_campaign

-- Nothing is chosen by these, and counting their values was most of what counting a table cost.
alter table results alter column report set statistics 0, alter column signature set statistics 0,
  alter column error_detail set statistics 0;
alter table hosts alter column last_reply set statistics 0, alter column public_key set statistics 0;
alter table work_units alter column job set statistics 0;
alter table experiments alter column recipe set statistics 0;
alter table corpus alter column recipe set statistics 0, alter column curve set statistics 0,
  alter column counters set statistics 0;
