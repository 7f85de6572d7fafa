import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Debt,
  type Grant,
  giveOn,
  payGrants,
  reverseGrants,
  type StandingGrant,
  vest,
} from '#domain/grants.ts'
import {
  type AccountName,
  claim,
  correction,
  escrowAccount,
  lapse,
  netChanges,
  payeeAccount,
  refund,
  reserve,
  starter,
  type Transfer,
  userAccount,
} from '#domain/ledger.ts'
import { UserId } from '#protocol/units.ts'
import { campaignId, hostId, resultId } from '#support/work-units.ts'

const userId = (n: number): UserId => UserId.parse(`u_${String(n).padStart(26, '0')}`)
const CAMPAIGNS = 3
const OVERRUN_CAP = 2_000

/** A ledger as the store and the jobs keep it: balances, keys, what stands, what waits in forfeit, what is owed. */
class Books {
  readonly balances = new Map<AccountName, number>()
  readonly transfers: Transfer[] = []
  readonly standing = new Map<string, StandingGrant>()
  readonly forfeits = new Map<string, Grant>()
  readonly debts: Debt[] = []
  readonly decisions = new Map<string, number>()
  private readonly keys = new Set<string>()

  post(transfers: readonly Transfer[]): void {
    const fresh = transfers.filter(t => !this.keys.has(t.key))
    for (const t of fresh) this.keys.add(t.key)
    this.transfers.push(...fresh)
    for (const [name, change] of netChanges(fresh))
      this.balances.set(name, (this.balances.get(name) ?? 0) + change)
  }
  balance = (name: AccountName): number => this.balances.get(name) ?? 0
  sumOf(kinds: readonly string[], of: (t: Transfer) => boolean = () => true): number {
    return this.transfers
      .filter(t => kinds.includes(t.kind) && of(t))
      .reduce((sum, t) => sum + t.amountMilli, 0)
  }
  repaid = ({ resultId: id, decision }: Debt): number =>
    this.sumOf(['repay'], t => t.key.startsWith(`repay:${id}:${decision}:`))
  openDebts(): Debt[] {
    return this.debts.flatMap(debt => {
      const amountMilli = debt.amountMilli - this.repaid(debt)
      return amountMilli > 0 ? [{ ...debt, amountMilli }] : []
    })
  }
}

const milli = fc.integer({ min: 1, max: 400 })
const small = fc.integer({ min: 1, max: CAMPAIGNS })
const result = fc.integer({ min: 1, max: 5 }) // few, so that most are granted, vested, reversed and granted again
const operation = fc.record({
  type: fc.constantFrom(
    ...(['starter', 'lapse', 'reserve', 'refund', 'grant', 'grant', 'grant', 'vest', 'vest'] as const),
    ...(['reverse', 'reverse', 'forfeit', 'restore', 'claim', 'take', 'again'] as const),
  ),
  ...{ user: small, campaign: small, result, milli, flag: fc.boolean(), anonymous: fc.boolean() },
})
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never

const idsOf = (n: number) => ({ campaignId: campaignId(n), userId: userId(n) }) // everybody has one campaign

const ACTS: Readonly<Record<Operation['type'], (books: Books, op: Operation) => void>> = {
  starter: (books, op) => books.post([starter({ userId: userId(op.user), amountMilli: 1_500 })]),
  lapse: (books, op) => books.post(lapse({ userId: userId(op.user), ...useOf(books, op.user) })),
  reserve: (books, op) => {
    const ids = idsOf(op.campaign)
    if (books.balance(userAccount(ids.userId)) >= op.milli)
      books.post([reserve({ ...ids, amountMilli: op.milli })])
  },
  refund: (books, op) => {
    const ids = idsOf(op.campaign)
    const amountMilli = books.balance(escrowAccount(ids.campaignId))
    const refundedMilli = books.sumOf(['refund'], t => t.campaignId === ids.campaignId)
    if (amountMilli > 0) books.post([refund({ ...ids, amountMilli, refundedMilli })])
  },
  claim: (books, op) => claimHost(books, op.user),
  take: (books, op) => {
    const facts = { id: `${books.transfers.length}`, account: userAccount(userId(op.user)), reason: 'x' }
    const balance = books.balance(facts.account)
    const amountMilli = op.flag ? balance : Math.min(balance, op.milli) // with nothing left, reversals make debts
    if (amountMilli > 0) books.post([correction({ ...facts, amountMilli: -amountMilli })])
  },
  again: books => books.post(books.transfers.slice(-3)), // a retry posts what was posted
  grant: giveGrant,
  vest: (books, op) => {
    const held = [...books.standing.values()].filter(grant => !grant.vested)
    const final = op.flag ? held : held.filter(grant => grant.resultId === resultId(op.result))
    books.post(vest(final, books.openDebts()))
    for (const grant of final) books.standing.set(grant.resultId, { ...grant, vested: true })
  },
  reverse,
  forfeit: (books, op) => give(books, op, 'escrow'),
  restore: (books, op) => give(books, op, 'payee'),
}

function give(books: Books, op: Operation, to: 'escrow' | 'payee'): void {
  const forfeited = books.forfeits.get(resultId(op.result))
  if (forfeited === undefined) return
  books.post(giveOn([forfeited], { to }))
  books.forfeits.delete(forfeited.resultId)
}

function useOf(books: Books, user: number) {
  const mine = (t: Transfer) => t.campaignId === campaignId(user)
  return {
    starterMilli: books.sumOf(['starter'], t => t.credit === userAccount(userId(user))),
    lapsedMilli: books.sumOf(['lapse'], t => t.debit === userAccount(userId(user))),
    spentMilli: books.sumOf(['reserve'], mine) - books.sumOf(['refund'], mine),
    balanceMilli: books.balance(userAccount(userId(user))),
  }
}

const claimed = (books: Books, n: number): boolean =>
  books.transfers.some(t => t.key.startsWith(`claim:${hostId(n)}`))

function claimHost(books: Books, n: number): void {
  if (claimed(books, n)) return
  const [from, to] = [payeeAccount({ id: hostId(n), userId: null }), userAccount(userId(n))]
  books.post(claim({ hostId: hostId(n), userId: userId(n) }, books.balances))
  for (const map of [books.standing, books.forfeits] as Map<string, StandingGrant>[])
    for (const [id, grant] of map) if (grant.payee === from) map.set(id, { ...grant, payee: to })
  books.debts.forEach((debt, i) => {
    if (debt.payee === from) books.debts[i] = { ...debt, payee: to }
  })
}

function giveGrant(books: Books, op: Operation): void {
  const id = resultId(op.result)
  if (books.standing.has(id) || books.forfeits.has(id)) return
  const anonymous = op.anonymous && !claimed(books, op.user)
  const payee = payeeAccount({ id: hostId(op.user), userId: anonymous ? null : userId(op.user) })
  const decision = books.decisions.get(id) ?? 0
  const grant = {
    ...{ resultId: id, decision, campaignId: campaignId(op.campaign), hostId: hostId(op.user) },
    ...{ payee, amountMilli: op.milli },
  }
  const { transfers, deferred } = payGrants([grant], books.balances, {
    vestNow: new Set(op.flag ? [id] : []),
    overrunLeftMilli: OVERRUN_CAP - books.sumOf(['overrun']),
    debts: books.openDebts(),
  })
  books.post(transfers)
  if (deferred.length === 0) books.standing.set(id, { ...grant, vested: op.flag })
}

function reverse(books: Books, op: Operation): void {
  const id = resultId(op.result)
  const grant = books.standing.get(id)
  if (grant === undefined) return
  const to = op.flag ? 'escrow' : 'forfeit'
  const { transfers, debts } = reverseGrants([grant], { to }, books.balances)
  books.post(transfers)
  books.debts.push(...debts)
  books.standing.delete(id)
  books.decisions.set(id, grant.decision + 1)
  const amountMilli = transfers[0]?.amountMilli ?? 0
  if (to === 'forfeit' && amountMilli > 0) books.forfeits.set(id, { ...grant, amountMilli })
}

test('any sequence of transfers, retries included, keeps the books', () => {
  fc.assert(
    fc.property(fc.array(operation, { minLength: 20, maxLength: 60 }), operations => {
      const books = new Books()
      for (const op of operations) ACTS[op.type](books, op)
      // It all sums to zero, and only the mint is below it.
      expect([...books.balances.values()].reduce((sum, value) => sum + value, 0)).toBe(0)
      expect([...books.balances].filter(([name, value]) => name !== 'mint' && value < 0)).toEqual([])
      expect(books.sumOf(['overrun'])).toBeLessThanOrEqual(OVERRUN_CAP)
      // What is held is what stands and is not final; what is forfeit is what waits.
      const waiting = [...books.standing.values()].filter(grant => !grant.vested)
      const held = [...books.balances].filter(([name]) => name.startsWith('held:'))
      const sum = (amounts: readonly number[]) => amounts.reduce((total, amount) => total + amount, 0)
      expect(sum(held.map(([, value]) => value))).toBe(sum(waiting.map(grant => grant.amountMilli)))
      expect(books.balance('forfeit')).toBe(sum([...books.forfeits.values()].map(f => f.amountMilli)))
      // What is final was made so once, by a transfer that names it.
      const made = books.transfers.flatMap(t => t.grants ?? [])
      expect(new Set(made).size).toBe(made.length)
      const final = [...books.standing.values()].filter(grant => grant.vested)
      expect(made).toEqual(expect.arrayContaining(final.map(grant => `${grant.resultId}:${grant.decision}`)))
      // A debt is repaid by its payee's own grants, and never beyond what is owed.
      for (const debt of books.debts) expect(books.repaid(debt)).toBeLessThanOrEqual(debt.amountMilli)
      for (const { key, debit } of books.transfers.filter(t => t.kind === 'repay')) {
        const [, , , by, decision] = key.split(':')
        expect(books.transfers.find(t => t.key === `vest:${by}:${decision}`)?.credit).toBe(debit)
      }
      for (let n = 1; n <= CAMPAIGNS; n++) {
        const moved = (...kinds: string[]) => books.sumOf(kinds, t => t.campaignId === campaignId(n))
        expect(moved('reserve', 'overrun', 'forfeit', 'repay')).toBe(
          moved('grant', 'refund') + books.balance(escrowAccount(campaignId(n))),
        )
      }
    }),
    { numRuns: 10_000 },
  )
})
