-- Hosts tell their rates with every call, and dispatch reads them there: nothing ever wrote or read the column.
alter table hosts drop column engine_rates;
