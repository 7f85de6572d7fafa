import type { Act, ActView, PreviewView } from '#protocol/acts.ts'
import type { ActId, Instant } from '#protocol/units.ts'
import { type Actor, perform, preview, undo } from './act.ts'
import type { OperateDeps } from './deps.ts'
import { findSuspects, type Suspect } from './suspects.ts'

/** What operators do, as the edge calls it. All of it throws `ActRefused` for what is refused. */
export interface Operate {
  preview(by: Actor, act: Act): Promise<PreviewView>
  perform(wanted: { by: Actor; act: Act; reason: string; token: string }): Promise<ActView>
  undo(wanted: { id: ActId; by: Actor; reason: string }): Promise<ActView>
  suspects(since: Instant): Promise<Suspect[]>
}

export const openOperate = (deps: OperateDeps): Operate => ({
  preview: (by, act) => preview(deps, by, act),
  perform: wanted => perform(deps, wanted),
  undo: wanted => undo(deps, wanted),
  suspects: since => findSuspects(deps.knex, { since }),
})
