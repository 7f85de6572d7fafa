// What stands alone until a check of its host passes (DESIGN §8) is in a table of its own: rows of results and of the corpus are large
// and in many indexes, and would be written once more for one bit.

/** An expression: whether the answer of the unit with this id, an expression, stands provisionally. */
export const provisional = (unitId: string): string =>
  `exists (select from provisional_results alone where alone.work_unit_id = ${unitId})`

/** An expression over a row `r` of results. */
export const IS_PROVISIONAL = `
  exists (select from provisional_results alone where alone.work_unit_id = r.work_unit_id and alone.result_id = r.id)`

/** An expression over a row `r` of results: whether what it was granted is not held any more. What was final before it was opened again is noted in the row. */
export const IS_VESTED = `(r.vested or r.granted_milli > 0 and r.verdict = 'valid' and not ${IS_PROVISIONAL})`

/**
 * An expression over a row `u` of unsettled_results: this transaction did not write it. What it stored itself it knows, and would look up
 * at length.
 */
export const IS_OLDER = `u.xmin is distinct from cast(pg_current_xact_id_if_assigned() as xid)`

/** An expression over a row `r` of results: valid, and nobody vouches for it. All but the verdict is what the index results_unconfirmed says;
 * of it what was not judged yet is left. */
export const IS_UNCONFIRMED = `r.outcome = 'success' and not r.confirmed and r.verdict = 'valid'`
