import { DryRun } from '#protocol/dry-run.ts'
import { type Asked, askBoth } from '#runtime/api.ts'
import { credit } from '../news.ts'
import type { Context } from '../options.ts'

/** `--dry-run` of what spends: says what the call would do, and changes nothing. */
export async function rehearse({ talk, endpoint }: Context, asked: Asked): Promise<void> {
  const { reply, text } = await askBoth(endpoint, DryRun, { ...asked, path: `${asked.path}?dry_run=true` })
  if (talk.json) return talk.data(text)
  const { quote, setAsideMilli, balanceMilli, key, campaign } = reply
  talk.data(`experiments    ${campaign.experiments.planned}`)
  talk.data(`work units     ${quote.workUnits}`)
  talk.data(`set aside      ${credit(setAsideMilli)}`)
  talk.data(`account left   ${credit(balanceMilli)}`)
  if (key !== null && key.remainingMilli !== null) talk.data(`key left       ${credit(key.remainingMilli)}`)
}
