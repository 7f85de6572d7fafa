import type { Facts } from './facts.ts'
import { percent } from './numbers.ts'
import { code, table } from './text.ts'

/** Who proposed what, where several did. */
export function proposed({ proposers, campaign }: Facts): string[] {
  if (proposers.length === 0) return []
  return [
    '### Who proposed',
    table(
      ['proposer', 'tried', 'pending', 'promoted by a test', 'share of what comes next'],
      proposers.map(({ name, tried, pending, promoted, share }) => [
        ...[code(name), String(tried), String(pending), String(promoted), percent(share)],
      ]),
    ),
    `Who is asked next is drawn by the promotions of each (Thompson sampling); every tenth turn goes round among all. Reproduce: ${code(`xeenet campaign search ${campaign.id}`)}`,
  ]
}
