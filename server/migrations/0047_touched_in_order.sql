-- Oldest first (`lockDueWorkUnits`): what one call brought is judged together, so that a batch waits for few hosts, and few for it.
create index touched_units_in_order on touched_units (at);
