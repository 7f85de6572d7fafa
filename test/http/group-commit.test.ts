import { describe, expect, test } from 'vitest'
import { groupCommit } from '#http/group-commit.ts'

interface Item {
  readonly name: string
  readonly poison?: boolean
}

function recording(sizeMax = 32) {
  const groups: string[][] = []
  const group = groupCommit<Item, string>({
    commit: async items => {
      groups.push(items.map(item => item.name))
      await Promise.resolve()
      if (items.some(item => item.poison)) throw new Error(`poison among ${items.length}`)
      return items.map(item => `done ${item.name}`)
    },
    keyOf: item => item.name.charAt(0),
    sizeMax,
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
    const { groups, submit } = recording(2)
    await Promise.all(['a', 'b', 'c', 'd', 'e'].map(name => submit({ name })))
    expect(groups).toEqual([['a', 'b'], ['c', 'd'], ['e']])
  })

  test('items of one key go into different groups, in order', async () => {
    const { groups, submit } = recording()
    await Promise.all(['a1', 'b1', 'a2', 'a3', 'b2'].map(name => submit({ name })))
    expect(groups).toEqual([['a1', 'b1'], ['a2', 'b2'], ['a3']])
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
