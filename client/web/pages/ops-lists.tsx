import type { ActList } from '#protocol/acts.ts'
import type { KernelList } from '#protocol/lists.ts'
import type { AlertList, AppealList, ErrorsView, LimitsView } from '#protocol/operator.ts'
import type { ProposalList } from '#protocol/proposals.ts'
import { call, token } from '../bearer.tsx'
import { useResource } from '../data.ts'
import { ago, whole } from '../format.ts'
import { query, setQuery } from '../router.ts'
import { Command, commandHere } from '../ui/command.tsx'
import { Empty, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { ActButton, Undo } from './ops-act.tsx'
import { numbers, Older, useList } from './ops-table.tsx'

const since = (at: string): string => ago(at, Date.now())

const SPANS = { 1: '1 h', 24: '24 h', 168: '7 d' } as const

/** By kind, kernel and class, each leading to its results. */
export function ErrorsTab() {
  const list = useList<ErrorsView>('/errors', ['hours'])
  const hours = query.value.get('hours') ?? '1'
  return (
    <>
      <p class="row">
        past{' '}
        {Object.entries(SPANS).map(([value, name]) => (
          <button
            key={value}
            type="button"
            class="quiet"
            aria-pressed={hours === value}
            onClick={() => setQuery({ hours: value })}
          >
            {name}
          </button>
        ))}
      </p>
      <Shown from={list} what="the errors">
        {({ rows }) =>
          rows.length === 0 ? (
            <Empty>No errors in this time.</Empty>
          ) : (
            <Table
              label="Errors"
              columns={['error', 'kernel', 'class', ...numbers('count', 'of all', 'hosts'), 'last']}
              rows={rows.map(row => ({
                key: `${row.error} ${row.kernel} ${row.engineClass}`,
                cells: [
                  <a
                    key="a"
                    href={`/ops?${new URLSearchParams({ tab: 'results', error: row.error, kernel: row.kernel, engineClass: row.engineClass })}`}
                  >
                    {row.error}
                  </a>,
                  ...[row.kernel, row.engineClass, whole(row.count), `${(100 * row.share).toFixed(1)} %`],
                  ...[whole(row.hosts), since(row.newestAt)],
                ],
              }))}
            />
          )
        }
      </Shown>
    </>
  )
}

export function AppealsTab() {
  const list = useList<AppealList>('/appeals', ['all'])
  return (
    <Shown from={list} what="the appeals">
      {({ appeals }) =>
        appeals.length === 0 ? (
          <Empty>No appeal waits.</Empty>
        ) : (
          <ul class="items">
            {appeals.map(({ actionId, hostId, reason, detail, words, filedAt, decision }) => (
              <li key={actionId}>
                <p class="row">
                  <a href={`/h/${hostId}`}>{hostId}</a> <span class="meta">filed {since(filedAt)}</span>
                  {decision !== null && <State of={decision} />}
                </p>
                <p>
                  Excluded for: {reason} ({detail})
                </p>
                <blockquote class="lines">{words}</blockquote>
                {decision === null &&
                  (['uphold', 'reject'] as const).map(word => (
                    <ActButton
                      key={word}
                      label={word === 'uphold' ? 'Uphold' : 'Reject'}
                      act={{ kind: 'decide_appeal', actionId, decision: word }}
                      onDone={list.refresh}
                    />
                  ))}
              </li>
            ))}
          </ul>
        )
      }
    </Shown>
  )
}

export function AlertsTab() {
  const list = useList<AlertList>('/alerts', ['all'])
  return (
    <Shown from={list} what="the alerts">
      {({ alerts }) =>
        alerts.length === 0 ? (
          <Empty>Every invariant that was looked at holds.</Empty>
        ) : (
          <Table
            label="Alerts"
            columns={['about', 'what', 'first', 'last', 'act']}
            rows={alerts.map(({ id, kind, subject, detail, seenAt, lastSeenAt, resolvedAt }) => ({
              key: String(id),
              cells: [
                `${kind} ${subject}`,
                detail,
                since(seenAt),
                since(lastSeenAt),
                resolvedAt === null ? (
                  <ActButton
                    key="a"
                    label="Resolve"
                    act={{ kind: 'resolve_alert', alertId: id }}
                    onDone={list.refresh}
                  />
                ) : (
                  'resolved'
                ),
              ],
            }))}
          />
        )
      }
    </Shown>
  )
}

interface Kernels {
  readonly admitted: KernelList['kernels']
  readonly proposals: ProposalList['proposals']
}

const loadKernels = async (): Promise<Kernels> => ({
  admitted: (await call<KernelList>('GET', '/kernels')).kernels,
  proposals: (await call<ProposalList>('GET', '/kernels/proposals?limit=1000')).proposals,
})

/** What others propose, to be signed off on the operator's machine, and what is admitted. */
export function KernelsTab() {
  const list = useResource(`${token.value} kernels`, loadKernels)
  return (
    <Shown from={list} what="the kernels">
      {({ admitted, proposals }) => {
        const open = proposals.filter(({ state }) => state === 'received' || state === 'checked')
        return (
          <>
            <h2>To be signed off</h2>
            {open.length === 0 && <Empty>Nothing was proposed.</Empty>}
            <ul class="items">
              {open.map(({ id, kernel, title, state, submittedAt, bytes }) => (
                <li key={id}>
                  <p class="row">
                    <strong>{kernel ?? 'not read yet'}</strong> {title} <State of={state} />
                    <span class="meta">
                      {since(submittedAt)}, {whole(bytes)} bytes
                    </span>
                  </p>
                  <p>
                    Sign it on your machine: <Command line={commandHere(`kernel sign ${id}`)} />
                  </p>
                  <ActButton
                    label="Reject"
                    act={{ kind: 'reject_proposal', proposalId: id }}
                    onDone={list.refresh}
                  />
                </li>
              ))}
            </ul>
            <h2>Admitted</h2>
            <Table
              label="Kernels"
              columns={['kernel', 'title', 'state', 'act']}
              rows={admitted.map(({ manifest, deprecated }) => {
                const name = `${manifest.name}@${manifest.version}`
                return {
                  key: name,
                  cells: [
                    ...[name, manifest.title, deprecated ? 'deprecated' : 'offered'],
                    <ActButton
                      key="a"
                      label={deprecated ? 'Restore' : 'Deprecate'}
                      act={
                        deprecated
                          ? { kind: 'restore_kernel', kernel: name }
                          : { kind: 'deprecate_kernel', kernel: name }
                      }
                      onDone={list.refresh}
                    />,
                  ],
                }
              })}
            />
          </>
        )
      }}
    </Shown>
  )
}

export function LimitsTab() {
  const list = useList<LimitsView>('/limits')
  return (
    <Shown from={list} what="the limits">
      {({ limits }) => (
        <Table
          label="Limits"
          columns={['what', 'limit', 'used now', 'changed by']}
          rows={limits.map(({ name, value, unit, used, setting }) => ({
            key: name,
            cells: [
              ...[name, `${whole(value)} ${unit}`, used === null ? '—' : whole(used)],
              setting === null ? 'part of the program' : <code key="s">{setting}</code>,
            ],
          }))}
        />
      )}
    </Shown>
  )
}

/** Who did what to whom, and why. */
export function ActsTab() {
  const list = useList<ActList>('/acts', ['kind', 'by', 'subject', 'after'])
  return (
    <Shown from={list} what="the audit log">
      {({ acts, nextAfter }) => (
        <>
          {acts.length === 0 && <Empty>Nobody did anything.</Empty>}
          <ul class="items">
            {acts.map(view => (
              <li key={view.id}>
                <p class="row">
                  <strong>{view.act.kind.replaceAll('_', ' ')}</strong>
                  <span class="meta">
                    {since(view.at)} by {view.by?.name ?? 'the command line'}, {whole(view.touched)} touched
                    {view.undoes === null ? '' : `, undoes ${view.undoes}`}
                  </span>
                  <Undo view={view} />
                </p>
                <p>{view.sentence}</p>
                <p class="dim">Because: {view.reason}</p>
                <p class="meta mono">{JSON.stringify(view.act)}</p>
              </li>
            ))}
          </ul>
          <Older after={nextAfter} />
        </>
      )}
    </Shown>
  )
}
