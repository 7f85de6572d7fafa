-- Each call writes its host's row, with the last reply in it: room for the next version in the same page, so that no index is written.
alter table hosts set (fillfactor = 50);
