import { expect, test } from 'vitest'
import { diagnose, type Facts } from '#domain/diagnosis.ts'

const WELL: Facts = {
  ...{ unsent: 5, inProgress: 2, activeHosts: 3, verifiers: 1, ended: 100, errorRate: 0.02 },
  daemons: [
    { name: 'sweep', waiting: 0, oldestSeconds: null },
    { name: 'validate', waiting: 3, oldestSeconds: 2 },
  ],
  ...{
    deadLetters: 0,
    balanced: true,
    unsealedSeconds: 3,
    alerts: 0,
    appeals: 0,
    proposals: 0,
    failedShare: 0,
    unsavedSeconds: 90_000,
  },
}

test('nothing is said of a server that is well', () => {
  expect(diagnose(WELL)).toEqual([])
})

const late = (oldestSeconds: number) => [{ name: 'validate', waiting: 9, oldestSeconds }]
test.each<[string, Partial<Facts>, string]>([
  ['a ledger that does not balance', { balanced: false }, 'bad: The ledger does not balance.'],
  ['an alert', { alerts: 1 }, 'bad: 1 invariant did not hold.'],
  ['a missing backup', { unsavedSeconds: 4 * 86_400 }, 'warn: No backup was made for 96 h.'],
  ['requests that fail', { failedShare: 0.02 }, 'bad: 2.0 % of the requests of the last minutes failed.'],
  ['a daemon that is late', { daemons: late(840) }, 'bad: validate is 14 min behind; 9 wait.'],
  ['one that is not late yet', { daemons: late(60) }, ''],
  ['a poison message', { deadLetters: 2 }, 'warn: 2 wake-ups failed on every retry.'],
  ['some errors', { errorRate: 0.2 }, 'warn: 20 % of the results of the last hour are errors.'],
  ['many errors', { errorRate: 0.5 }, 'bad: 50 % of the results of the last hour are errors.'],
  ['errors of few results', { errorRate: 0.5, ended: 19 }, ''],
  [
    'work without hosts',
    { activeHosts: 0, inProgress: 0 },
    'warn: 5 results wait, and no host was heard for an hour.',
  ],
  ['no verifier', { verifiers: 0 }, 'warn: No verifier was heard for an hour: records and disputes wait.'],
  ['no verifier and no work', { verifiers: 0, unsent: 0, inProgress: 0 }, ''],
  ['no seal', { unsealedSeconds: 7200 }, 'warn: No block was sealed for 2 h.'],
  ['an appeal', { appeals: 1 }, 'warn: 1 appeal waits for a decision.'],
  ['a proposal', { proposals: 2 }, 'info: 2 kernels wait to be signed off.'],
])('%s', (_name, change, expected) => {
  const said = diagnose({ ...WELL, ...change }).map(({ level, what }) => `${level}: ${what}`)
  expect(said.join('\n')).toBe(expected)
})

test('the worst comes first, and every finding says what to do', () => {
  const found = diagnose({ ...WELL, appeals: 1, proposals: 1, verifiers: 0, alerts: 1, daemons: late(100) })
  expect(found.map(({ level }) => level)).toEqual(['bad', 'bad', 'warn', 'warn', 'info'])
  for (const { action } of found) expect(action.href === null).toBe(action.command !== null)
})
