import type { LedgerSummary, ServerView } from '#protocol/campaign.ts'
import type { PriceList } from '#protocol/credits.ts'
import { get } from '../data.ts'
import { ago, credits, whole } from '../format.ts'
import { useLive } from '../live.ts'
import { useTitle } from '../title.ts'
import { Figures, Scroll, Shown, State } from '../ui/parts.tsx'
import { loadCampaigns } from './campaigns.tsx'

const loadAll = async () => ({
  server: await get<ServerView>('/server'),
  ledger: await get<LedgerSummary>('/ledger/summary'),
  prices: await get<PriceList>('/prices'),
  campaigns: await loadCampaigns(),
})

/** What anyone may check about this server. */
export function StatusPage() {
  useTitle('Status')
  const all = useLive('status', loadAll, { topics: ['home'] })
  return (
    <>
      <h1>Status</h1>
      <Shown from={all} what="the status">
        {({ server, ledger, prices, campaigns }) => (
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
                ['ledger rows', whole(ledger.transfers)],
                ['sum of all accounts', credits(ledger.sumMilli)],
                [
                  'overrun today',
                  `${credits(ledger.overrun.todayMilli)} of ${credits(ledger.overrun.capMilli)}`,
                ],
              ]}
            />
            <p class="meta">
              server {server.serverId} · version {server.version} · its clock {server.serverNow} ·{' '}
              {ledger.head === null
                ? 'no sealed block yet'
                : `last sealed block ${ledger.head.statement.number}, ${ago(ledger.head.statement.sealedAt, Date.now())}`}
            </p>
            <Kernels of={server.kernels} />
            <h2>Prices</h2>
            <p>
              {prices.prices
                .map(({ engineClass, milli, per }) => `${engineClass}: ${credits(milli)} a ${per}`)
                .join(' · ')}
              ; plus {Math.round(prices.checkingShare * 100)} % reserved for checks, which comes back when it
              is not needed.
            </p>
          </>
        )}
      </Shown>
    </>
  )
}

function Kernels({ of: kernels }: { of: ServerView['kernels'] }) {
  return (
    <section>
      <h2>Kernels</h2>
      <Scroll label="Kernels">
        <table>
          <thead>
            <tr>
              <th>kernel</th>
              <th>module, SHA-256</th>
            </tr>
          </thead>
          <tbody>
            {kernels.map(kernel => (
              <tr key={kernel.moduleSha256}>
                <td>
                  {kernel.name}@{kernel.version}
                </td>
                <td class="mono">{kernel.moduleSha256}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
    </section>
  )
}
