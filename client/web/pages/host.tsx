import type { HostView } from '#protocol/host.ts'
import { get } from '../data.ts'
import { credits, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Figures, Shown, State, When } from '../ui/parts.tsx'
import { LastDay, Results } from './host-results.tsx'

/** A volunteer's machine, as anyone may see it. */
export function HostPage({ id }: { id: string }) {
  const host = useLive(`host ${id}`, () => get<HostView>(`/hosts/${id}`), {
    topics: [`host:${id}`],
    everyMs: 5_000,
  })
  return (
    <Shown from={host} what="the host">
      {view => <Known of={view} />}
    </Shown>
  )
}

function Known({
  of: { id, name, state, trusted, client, cores, createdAt, lastSeenAt, results, grantedMilli },
}: {
  of: HostView
}) {
  useTitle(name)
  const judged = results.valid + results.invalid
  return (
    <>
      <h1>{name}</h1>
      <p class="meta">
        <State of={state} /> · {trusted ? "the operator's own verifier" : 'a volunteer'} · {client} ·{' '}
        {cores === 1 ? '1 core' : `${whole(cores)} cores`} · joined <When at={createdAt} /> · seen{' '}
        <When at={lastSeenAt} />
      </p>
      <LastDay id={id} />
      <Figures
        of={[
          ['valid', whole(results.valid)],
          ['waiting', whole(results.pending)],
          ['computing', whole(results.inProgress)],
          ['invalid', whole(results.invalid)],
          ['errors', whole(results.error)],
          ['no reply', whole(results.noReply)],
          ['agreement', judged === 0 ? '—' : `${((100 * results.valid) / judged).toFixed(1)} %`],
          ['credit', credits(grantedMilli)],
        ]}
      />
      <Results id={id} />
      <p class="meta">
        <span class="mono">{id}</span>. Its address is never told.
      </p>
    </>
  )
}
