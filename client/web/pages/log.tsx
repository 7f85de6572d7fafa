import type { ActionList } from '#protocol/people.ts'
import { get } from '../data.ts'
import { useLive } from '../live.ts'
import { query } from '../router.ts'
import { useTitle } from '../title.ts'
import { Empty, Shown, State, When } from '../ui/parts.tsx'

/** What was done to volunteers and why, under pseudonyms, once the time for an appeal is over. */
export function LogPage() {
  useTitle('Public action log')
  const after = query.value.get('after')
  const page = useLive(
    `actions ${after}`,
    () => get<ActionList>(`/actions${after === null ? '' : `?after=${after}`}`),
    { topics: [], everyMs: 60_000 },
  )
  return (
    <>
      <h1>Public action log</h1>
      <p>
        Whoever is excluded can appeal. When the time for that is over, the act and its reason appear here.
      </p>
      <Shown from={page} what="the log">
        {({ actions, nextAfter }) => (
          <>
            {actions.length === 0 && <Empty>Nobody was excluded so far.</Empty>}
            <ul class="items">
              {actions.map(({ id, kind, pseudonym, actor, reason, at, appeal, decision }) => (
                <li key={id}>
                  <div class="row">
                    <State of={kind === 'quarantine' ? 'quarantined' : 'released'} />
                    <span class="mono">{pseudonym}</span>
                    <span class="dim">by the {actor}</span>
                    <span class="grow" />
                    <When at={at} />
                  </div>
                  <p class="prose">{reason}</p>
                  {appeal !== 'none' && (
                    <p class="meta">
                      Appeal: {appeal}
                      {decision !== null && `. ${decision}`}
                    </p>
                  )}
                </li>
              ))}
            </ul>
            {nextAfter !== null && <a href={`/log?after=${nextAfter}`}>Older</a>}
          </>
        )}
      </Shown>
    </>
  )
}
