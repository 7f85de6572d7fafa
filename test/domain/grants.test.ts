import { describe, expect, test } from 'vitest'
import { type Debt, type Grant, giveOn, lackingOf, payGrants, reverseGrants, vest } from '#domain/grants.ts'
import { type AccountName, escrowAccount, netChanges, type Transfer, userAccount } from '#domain/ledger.ts'
import { UserId } from '#protocol/units.ts'
import { campaignId, hostId, resultId } from '#support/work-units.ts'

const payee = userAccount(UserId.parse(`u_${'7'.padStart(26, '0')}`))
const held = `held:${payee}` as const
const escrow = escrowAccount(campaignId(1))

const grant = (n: number, amountMilli: number): Grant => ({
  ...{ resultId: resultId(n), decision: 0, campaignId: campaignId(1), hostId: hostId(1), payee, amountMilli },
})
const ids = (...numbers: number[]) => new Set(numbers.map(resultId))
const balances = (of: Partial<Record<AccountName, number>>) =>
  new Map(Object.entries(of)) as ReadonlyMap<AccountName, number>
const NAMES: Readonly<Record<string, string>> = { [payee]: 'payee', [held]: 'held', [escrow]: 'escrow' }
const short = (account: string): string => NAMES[account] ?? account
const told = (transfers: readonly Transfer[]): string[] =>
  transfers.map(t => `${t.kind} ${short(t.debit)} → ${short(t.credit)} ${t.amountMilli}`)

const NO_CAP = { overrunLeftMilli: Number.MAX_SAFE_INTEGER, vestNow: ids() }

describe('a grant', () => {
  test('is held until it is final, or goes on at once', () => {
    const { transfers } = payGrants([grant(1, 20), grant(2, 5)], balances({ [escrow]: 25 }), {
      ...NO_CAP,
      vestNow: ids(2),
    })
    expect(told(transfers)).toEqual([
      'grant escrow → held 20',
      'grant escrow → held 5',
      'vest held → payee 5',
    ])
    expect(transfers.map(t => t.key)).toEqual([
      `grant:${resultId(1)}:0`,
      `grant:${resultId(2)}:0`,
      `vest:${resultId(2)}:0`,
    ])
    expect(told(vest([grant(1, 20)]))).toEqual(['vest held → payee 20'])
  })

  test('becomes final in one transfer with those of its host, which names them', () => {
    const other = { ...grant(2, 7), hostId: hostId(2) }
    const elsewhere = { ...grant(3, 5), decision: 4, campaignId: campaignId(2) }
    const nothing = { campaignId: null, resultId: null }
    expect(vest([grant(1, 20), other, elsewhere])).toMatchObject([
      {
        ...{ key: `vest:${resultId(1)}:0`, debit: held, credit: payee, amountMilli: 25, ...nothing },
        grants: [`${resultId(1)}:0`, `${resultId(3)}:4`],
      },
      { key: `vest:${resultId(2)}:0`, amountMilli: 7, grants: [`${resultId(2)}:0`] },
    ])
  })

  test('beyond the escrow is paid from the mint, by exactly what is missing', () => {
    const grants = [grant(1, 20), grant(2, 20), grant(3, 20)]
    const { transfers } = payGrants(grants, balances({ [escrow]: 25 }), NO_CAP)
    expect(transfers.map(t => `${t.kind} ${t.amountMilli}`)).toEqual([
      ...['grant 20', 'overrun 15', 'grant 20', 'overrun 20', 'grant 20'],
    ])
    expect(netChanges(transfers).get(escrow)).toBe(-25)
    expect(lackingOf(grants, balances({ [escrow]: 25 }))).toBe(35)
    expect(lackingOf(grants, balances({ [escrow]: 60 }))).toBe(0)
  })

  test('for which the overrun of the day is used up waits, whole; smaller ones still pass', () => {
    const grants = [grant(1, 20), grant(2, 20), grant(3, 5)]
    const { transfers, deferred } = payGrants(grants, balances({ [escrow]: 15 }), {
      ...NO_CAP,
      overrunLeftMilli: 10,
    })
    expect(transfers.map(t => `${t.kind} ${t.amountMilli}`)).toEqual([
      ...['overrun 5', 'grant 20', 'overrun 5', 'grant 5'],
    ])
    expect(deferred).toEqual([grants[1]])
  })
})

describe('a reversal', () => {
  test('takes what is held from held, and what is final from the payee', () => {
    const { transfers, debts } = reverseGrants(
      [
        { ...grant(1, 20), vested: false },
        { ...grant(2, 5), vested: true },
      ],
      { to: 'escrow' },
      balances({ [held]: 20, [payee]: 9 }),
    )
    expect(told(transfers)).toEqual([
      ...['reverse held → forfeit 20', 'forfeit forfeit → escrow 20'],
      ...['reverse payee → forfeit 5', 'forfeit forfeit → escrow 5'],
    ])
    expect(debts).toEqual([])
  })

  test('of what was spent is a debt, and what others may still earn of held credit is not touched', () => {
    const { transfers, debts } = reverseGrants(
      [
        { ...grant(1, 20), vested: true },
        { ...grant(2, 8), vested: true },
      ],
      { to: 'forfeit' },
      balances({ [held]: 500, [payee]: 15 }),
    )
    expect(told(transfers)).toEqual(['reverse payee → forfeit 15'])
    expect(debts.map(debt => [debt.resultId, debt.amountMilli])).toEqual([
      [resultId(1), 5],
      [resultId(2), 8],
    ])
  })

  test('of held credit that is not there is a bug', () => {
    expect(() =>
      reverseGrants([{ ...grant(1, 20), vested: false }], { to: 'forfeit' }, balances({})),
    ).toThrow('what is held is there')
  })

  test('ends in the escrow, or with the payee when an appeal was won', () => {
    expect(told(giveOn([grant(1, 15)], { to: 'escrow' }))).toEqual(['forfeit forfeit → escrow 15'])
    expect(told(giveOn([grant(1, 15)], { to: 'payee' }))).toEqual(['restore forfeit → payee 15'])
  })
})

describe('a debt', () => {
  const debt = (n: number, amountMilli: number, who = payee): Debt => ({
    ...{ ...grant(n, amountMilli), payee: who },
  })

  test('is repaid from later grants, oldest first, and never beyond what is owed', () => {
    const debts = [debt(8, 6), debt(9, 10)]
    const transfers = vest([grant(1, 10), grant(2, 10)], debts)
    expect(told(transfers)).toEqual([
      ...['vest held → payee 20', 'repay payee → escrow 6', 'repay payee → escrow 10'],
    ])
    expect(new Set(transfers.map(t => t.key)).size).toBe(transfers.length)
    expect(netChanges(transfers).get(payee)).toBe(4)
  })

  test('of somebody else does not matter', () => {
    const other = userAccount(UserId.parse(`u_${'8'.padStart(26, '0')}`))
    expect(told(vest([grant(1, 10)], [debt(9, 10, other)]))).toEqual(['vest held → payee 10'])
  })

  test('is repaid by grants that are final at once', () => {
    const terms = { ...NO_CAP, vestNow: ids(1), debts: [debt(9, 4)] }
    expect(told(payGrants([grant(1, 10)], balances({ [escrow]: 10 }), terms).transfers)).toEqual([
      ...['grant escrow → held 10', 'vest held → payee 10', 'repay payee → escrow 4'],
    ])
  })
})
