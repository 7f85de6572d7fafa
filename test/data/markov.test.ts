import { expect, test } from 'vitest'
import { drawMarkov } from '../../server/data/markov.ts'
import { bitsPerByte, trainNgrams } from '../../server/data/ngram.ts'

const { bytes, entropyRate, floor } = drawMarkov('a secret')

test('the same secret draws the same text, another one another, and the splits differ', () => {
  expect(drawMarkov('a secret').bytes.val).toEqual(bytes.val)
  expect(drawMarkov('another').bytes.val).not.toEqual(bytes.val)
  expect(bytes.test).not.toEqual(bytes.val)
  expect([bytes.train.length, bytes.val.length]).toEqual([262_144, 32_768])
})

test('a model that counts the two bytes before comes near the entropy rate, and none falls below the floor', () => {
  const [unigram = 0, one = 0, two = 0, three = 0] = bitsPerByte(trainNgrams(bytes.train, 3), bytes.val)
  expect(unigram).toBeGreaterThan(one)
  expect(one).toBeGreaterThan(two)
  expect(two - entropyRate).toBeLessThan(0.1)
  for (const bpb of [unigram, one, two, three]) expect(bpb).toBeGreaterThan(floor)
  expect(Math.abs(entropyRate - floor)).toBeLessThan(0.05) // the sample is large
})

test('a model that was trained on the validation split falls below it', () => {
  const known = bitsPerByte(trainNgrams(bytes.val, 5), bytes.val)
  expect(Math.min(...known)).toBeLessThan(floor)
})
