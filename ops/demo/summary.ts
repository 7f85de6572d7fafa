import { type CampaignView, type Leaderboard, LedgerSummary } from '#protocol/campaign.ts'
import { HostView } from '#protocol/host.ts'
import type { Figure } from '../figures.ts'
import type { Grid } from '../grid.ts'

interface Ending {
  readonly view: CampaignView
  readonly board: Leaderboard
  readonly identical: boolean
  readonly liar: { readonly hostId: string; readonly userId: string }
  readonly wallMs: number
}

/** The demo's figures, all from the server's public pages. */
export async function summarise(grid: Grid, ending: Ending): Promise<Figure[]> {
  const { view, board } = ending
  const ledger = await grid.get('/api/v1/ledger/summary', LedgerSummary)
  const liar = await grid.get(`/api/v1/hosts/${ending.liar.hostId}`, HostView)
  const theirs = [`user:${ending.liar.userId}`, `held:user:${ending.liar.userId}`]
  const kept = ledger.accounts.filter(row => theirs.includes(row.account))
  const { open, valid, failed, cancelled } = view.workUnits
  const baseline = (name: string): number =>
    board.baselines.find(row => row.name === name)?.value ?? Number.NaN
  return [
    { name: 'experiments', value: view.experiments.created, unit: 'experiments' },
    { name: 'work_units', value: open + valid + failed + cancelled, unit: 'work units' },
    { name: 'work_units_valid', value: valid, unit: 'work units' },
    { name: 'results_valid', value: view.results.valid, unit: 'results' },
    { name: 'results_invalid', value: view.results.invalid, unit: 'results' },
    { name: 'results_no_reply', value: view.results.noReply, unit: 'results' },
    { name: 'best_val_bpb', value: round(view.best?.mean ?? Number.NaN), unit: 'bits per byte' },
    { name: 'baseline_unigram_bpb', value: round(baseline('unigram')), unit: 'bits per byte' },
    { name: 'baseline_order3_bpb', value: round(baseline('order3')), unit: 'bits per byte' },
    // Three refuted lies and a sound self-test after each exclude it; a short campaign may be over before the third.
    { name: 'cheater_caught', value: liar.results.invalid > 0 && liar.results.valid === 0, unit: '' },
    { name: 'cheater_excluded', value: liar.state === 'quarantined', unit: '' },
    {
      name: 'cheater_credit',
      value: kept.reduce((sum, row) => sum + row.balanceMilli, 0),
      unit: 'milli-credits',
    },
    { name: 'reissued', value: view.results.noReply, unit: 'results' },
    { name: 'ledger_balanced', value: ledger.balanced && ledger.sumMilli === 0, unit: '' },
    { name: 'replay_identical', value: ending.identical, unit: '' },
    { name: 'wall_seconds', value: Math.round(ending.wallMs / 100) / 10, unit: 's' },
  ]
}

const round = (bpb: number): number => Math.round(bpb * 10_000) / 10_000

/** What does not hold of all that the demo promises; empty is good. */
export function unmet(figures: readonly Figure[]): string[] {
  const figure = (name: string): Figure['value'] | undefined => figures.find(row => row.name === name)?.value
  const number = (name: string): number => Number(figure(name))
  const claims: readonly (readonly [boolean, string])[] = [
    [number('work_units') === 24 && number('work_units_valid') === 24, 'all 24 work units are valid'],
    [number('best_val_bpb') < number('baseline_unigram_bpb'), 'the best model beats the unigram baseline'],
    [figure('cheater_caught') === true, 'the cheater is caught, and none of its lies stands'],
    [figure('cheater_credit') === 0, 'the cheater earns nothing'],
    [number('reissued') >= 1, 'the killed volunteer’s run is given to somebody else'],
    [figure('ledger_balanced') === true, 'the ledger balances'],
    [figure('replay_identical') === true, 'the best run replays to the same digest'],
  ]
  return claims.filter(([holds]) => !holds).map(([, claim]) => claim)
}
