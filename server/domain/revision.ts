import type { CampaignFile } from '#protocol/campaign.ts'
import { canonicalJson } from '#protocol/canonical.ts'

/** What a revision may say anew. Everything else is what makes runs of one campaign comparable. */
const REVISABLE = new Set<string>([
  'title',
  'question',
  'space',
  'constraints',
  'budget',
  'visibility',
  'ends_by',
  'agent',
  'sampler', // only who is beside it
])
const REVISABLE_BUDGET = new Set<string>(['runs', 'credits'])

export type Revision =
  | { readonly ok: false; readonly detail: string }
  /** `respaced`: what is tried next is drawn from another space, or by others. */
  | { readonly ok: true; readonly respaced: boolean }

/**
 * Whether a campaign may go on under another file. What was created under the old one stays, so that neither the number of
 * experiments nor the budget can fall below it. The detail names the field.
 */
export function revise(
  before: CampaignFile,
  after: CampaignFile,
  { created }: { readonly created: number },
): Revision {
  if (before.study !== undefined)
    return { ok: false, detail: 'study: it stays what it was submitted as; fork the campaign' }
  const fixed = [
    ...changed(before, after).filter(name => !REVISABLE.has(name)),
    ...changed(before.sampler, after.sampler)
      .filter(name => name !== 'beside')
      .map(name => `sampler.${name}`),
    ...changed(before.budget, after.budget)
      .filter(name => !REVISABLE_BUDGET.has(name))
      .map(name => `budget.${name}`),
  ]
  const [first] = fixed
  if (first !== undefined)
    return { ok: false, detail: `${first}: a revision leaves it as it is; fork the campaign` }
  if (after.budget.runs < created)
    return { ok: false, detail: `budget.runs: ${created} experiments exist already` }
  if (after.budget.credits < before.budget.credits)
    return { ok: false, detail: 'budget.credits: a budget only grows; what is not spent comes back' }
  if (canonicalJson(before) === canonicalJson(after)) return { ok: false, detail: 'nothing is changed' }
  const searched = changed(before, after).some(name => ['space', 'constraints', 'sampler'].includes(name))
  return { ok: true, respaced: searched }
}

function changed(before: object, after: object): string[] {
  const [a, b] = [new Map(Object.entries(before)), new Map(Object.entries(after))]
  const text = (value: unknown): string => canonicalJson(value === undefined ? null : value)
  return [...new Set([...a.keys(), ...b.keys()])].filter(name => text(a.get(name)) !== text(b.get(name)))
}
