-- What was refused is judged for good: nobody has to vouch for it, so that it leaves results_unconfirmed, which would keep it for ever
-- and is walked by the sweep of hosts in doubt (decision 0063). Its rows are all among the unsettled ones.
-- Instead of a deadlock with an older program beside this, which judges in another order.
lock table results in share row exclusive mode;
update results r set confirmed = true from unsettled_results u
  where r.id = u.result_id and r.outcome = 'success' and not r.confirmed and r.verdict in ('invalid', 'inconclusive');
comment on column results.confirmed is 'nobody need vouch for it any more: somebody did, or it is not valid';
