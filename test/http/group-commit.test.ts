import { describe, expect, test, vi } from 'vitest'
import { groupCommit } from '#http/group-commit.ts'

interface Item {
  readonly name: string
  readonly poison?: boolean
}

function recording({ sizeMax = 32 } = {}) {
  const groups: string[][] = []
  const group = groupCommit<Item, string>({
    commit: async items => {
      groups.push(items.map(item => item.name))
      await Promise.resolve()
      if (items.some(item => item.poison)) throw new Error(`poison among ${items.length}`)
      return items.map(item => `done ${item.name}`)
    },
    keyOf: item => item.name.charAt(0),
    ...{ sizeMax, mayJoin: () => false },
    gatherMs: 1,
  })
  return { groups, submit: group.submit }
}

describe('group commit', () => {
  test('items that arrive together are committed together, each with its own outcome', async () => {
    const { groups, submit } = recording()
    const outcomes = await Promise.all(['a', 'b', 'c'].map(name => submit({ name })))
    expect(outcomes).toEqual(['done a', 'done b', 'done c'])
    expect(groups).toEqual([['a', 'b', 'c']])
  })

  test('a group has a size, and the rest follows in order', async () => {
    const { groups, submit } = recording({ sizeMax: 2 })
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => submit({ name })))
    expect(groups).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  test('items of one key go into different groups, in order', async () => {
    const { groups, submit } = recording()
    await Promise.all(['a1', 'b1', 'a2', 'a3', 'b2'].map(name => submit({ name })))
    expect(groups).toEqual([['a1', 'b1'], ['a2', 'b2'], ['a3']])
  })

  test('as many groups as are allowed are committed at the same time, none with a key of another', async () => {
    const gates = [
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
      Promise.withResolvers<void>(),
    ]
    const began: string[][] = []
    const group = groupCommit<Item, string>({
      commit: async items => {
        began.push(items.map(({ name }) => name))
        await gates[began.length - 1]?.promise
        return items.map(({ name }) => name)
      },
      keyOf: ({ name }) => name.charAt(0),
      ...{ sizeMax: 2, mayJoin: others => others < 2, gatherMs: 0 },
    })
    const done = Promise.all(['a1', 'b1', 'a2', 'c1', 'd1'].map(name => group.submit({ name })))
    await vi.waitUntil(() => began.length === 2)
    expect(began).toEqual([
      ['a1', 'b1'],
      ['c1', 'd1'],
    ])
    gates[1]?.resolve() // a2 waits for a1 even so
    gates[2]?.resolve()
    await Promise.resolve()
    expect(began).toHaveLength(2)
    gates[0]?.resolve()
    expect(await done).toEqual(['a1', 'b1', 'a2', 'c1', 'd1'])
    expect(began[2]).toEqual(['a2'])
  })

  test('beside a group that is under way only one of some size begins; what is left goes after it', async () => {
    const gate = Promise.withResolvers<void>()
    const began: string[][] = []
    const { submit } = groupCommit<Item, string>({
      commit: async items => {
        began.push(items.map(({ name }) => name))
        if (began.length === 1) await gate.promise
        return items.map(({ name }) => name)
      },
      keyOf: ({ name }) => name,
      ...{ sizeMax: 2, mayJoin: (_, waiting) => waiting >= 2, gatherMs: 0 },
    })
    const first = submit({ name: 'a' })
    await vi.waitUntil(() => began.length === 1)
    const rest = ['b', 'c', 'd'].map(name => submit({ name }))
    await Promise.all(rest.slice(0, 2))
    expect(began).toEqual([['a'], ['b', 'c']])
    gate.resolve()
    await Promise.all([first, ...rest])
    expect(began).toEqual([['a'], ['b', 'c'], ['d']])
  })

  test('when a group fails each item is tried alone once, and only the poisonous one fails', async () => {
    const { groups, submit } = recording()
    const outcomes = await Promise.allSettled([
      submit({ name: 'a' }),
      submit({ name: 'b', poison: true }),
      submit({ name: 'c' }),
    ])
    expect(outcomes.map(outcome => outcome.status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(groups).toEqual([['a', 'b', 'c'], ['a'], ['b'], ['c']])
  })

  test('work goes on after a failure and after a pause', async () => {
    const { submit } = recording()
    await expect(submit({ name: 'a', poison: true })).rejects.toThrow('poison among 1')
    expect(await submit({ name: 'b' })).toBe('done b')
  })
})
