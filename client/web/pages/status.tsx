import type { LedgerSummary, ServerView } from '#protocol/campaign.ts'
import type { PriceList } from '#protocol/credits.ts'
import type { SpentView } from '#protocol/spent.ts'
import { get } from '../data.ts'
import { ago, credits, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Figures, Shown, State } from '../ui/parts.tsx'
import { Table } from '../ui/table.tsx'
import { loadCampaigns } from './campaigns.tsx'

const loadAll = async () => ({
  server: await get<ServerView>('/server'),
  ledger: await get<LedgerSummary>('/ledger/summary'),
  prices: await get<PriceList>('/prices'),
  campaigns: await loadCampaigns(),
  spent: await get<SpentView>('/spent'),
})

/** What anyone may check about this server. */
export function StatusPage() {
  useTitle('Status')
  const all = useLive('status', loadAll, { topics: ['home'] })
  return (
    <>
      <h1>Status</h1>
      <Shown from={all} what="the status">
        {({ server, ledger, prices, campaigns, spent }) => (
          <>
            <p class="row">
              <State of={ledger.balanced && ledger.alerts === 0 ? 'active' : 'failed'} />
              {ledger.balanced ? 'Every credit is accounted for.' : 'The ledger does not balance.'}{' '}
              {ledger.alerts > 0 && `${ledger.alerts} broken invariants wait for the operator.`}
            </p>
            <Figures
              of={[
                ['running campaigns', whole(campaigns.filter(c => c.state === 'running').length)],
                ['campaigns', whole(campaigns.length)],
                ['results waiting', whole(spent.queue.unsent)],
                ['in progress', whole(spent.queue.inProgress)],
                ['hosts, last hour', whole(spent.hosts)],
                ['their cores', whole(spent.cores)],
                ['ledger rows', whole(ledger.transfers)],
                ['sum of all accounts', credits(ledger.sumMilli)],
                [`overrun today, of ${credits(ledger.overrun.capMilli)}`, credits(ledger.overrun.todayMilli)],
              ]}
            />
            <p class="meta">
              server {server.serverId} · version {server.version} · its clock {server.serverNow} ·{' '}
              {ledger.head === null
                ? 'no sealed block yet'
                : `last sealed block ${ledger.head.statement.number}, ${ago(ledger.head.statement.sealedAt, Date.now())}`}
            </p>
            <Spent of={spent} />
            <Kernels of={server.kernels} />
            <Prices of={prices} />
          </>
        )}
      </Shown>
    </>
  )
}

/** What everything that was computed here has cost the world, with the sum that says so. */
function Spent({
  of: { results, gfuel, coreHours, wattHours, formula, assumptions, lastDay },
}: {
  of: SpentView
}) {
  return (
    <section>
      <h2>Spent so far</h2>
      <Figures
        of={[
          ['accepted results', whole(results)],
          ['Gfuel', short(gfuel)],
          ['core-hours', short(coreHours)],
          ['watt-hours, about', short(wattHours.typical)],
        ]}
      />
      <p>
        In the last day: {whole(lastDay.results)} results, {short(lastDay.gfuel)} Gfuel,{' '}
        {short(lastDay.coreHours)} core-hours. A Gfuel is 10⁹ executed instructions.
      </p>
      <h3>How the watt-hours are estimated</h3>
      <p>
        {formula}: {short(coreHours)} core-hours give between {short(wattHours.low)} and{' '}
        {short(wattHours.high)} Wh. The assumptions:
      </p>
      <ul>
        {assumptions.map(assumption => (
          <li key={assumption}>{assumption}</li>
        ))}
      </ul>
    </section>
  )
}

/** Three digits say what a sum of estimates can. */
const short = (value: number): string =>
  value.toLocaleString('en', { maximumSignificantDigits: 3, notation: value >= 1e6 ? 'compact' : 'standard' })

function Prices({ of: { prices, checkingShare } }: { of: PriceList }) {
  return (
    <section>
      <h2>Prices</h2>
      <Table
        label="Prices"
        columns={['computed by', { name: 'credits', isNumber: true }, 'for each']}
        rows={prices.map(({ engineClass, milli, per }) => ({
          key: `${engineClass} ${per}`,
          cells: [engineClass, credits(milli), per],
        }))}
      />
      <p>
        Plus {Math.round(checkingShare * 100)} % reserved for checks, which comes back when it is not needed.
      </p>
    </section>
  )
}

function Kernels({ of: kernels }: { of: ServerView['kernels'] }) {
  return (
    <section>
      <h2>Kernels</h2>
      <Table
        label="Kernels"
        columns={['kernel', 'module, SHA-256']}
        rows={kernels.map(kernel => ({
          key: kernel.moduleSha256,
          cells: [
            `${kernel.name}@${kernel.version}`,
            <span key="m" class="mono">
              {kernel.moduleSha256}
            </span>,
          ],
        }))}
      />
    </section>
  )
}
