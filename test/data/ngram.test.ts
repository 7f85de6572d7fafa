import fc from 'fast-check'
import { expect, test } from 'vitest'
import { bitsPerByte, predictByte, trainNgrams } from '#server/data/ngram.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

function probabilitiesOf(model: ReturnType<typeof trainNgrams>, text: Uint8Array, at: number): number[] {
  const out = new Float64Array(model.orderMax + 1)
  predictByte(model, text, at, out)
  return [...out]
}

test('Witten-Bell agrees with a calculation by hand on "abracadabra"', () => {
  // a 5, b 2, r 2, c 1, d 1: eleven bytes of five kinds. After a: b, c, d, b. After ra: c only, once.
  const model = trainNgrams(bytes('abracadabra'), 2)
  const unigramC = (1 + 5 / 256) / (11 + 5)
  const afterA = (1 + 3 * unigramC) / (4 + 3)
  const afterRA = (1 + 1 * afterA) / (1 + 1)
  expect(probabilitiesOf(model, bytes('rac'), 2)).toEqual([unigramC, afterA, afterRA])
  // An unseen byte has the escape's share of the uniform distribution; after "zz" there is nothing but that.
  const unseen = 5 / 256 / 16
  expect(probabilitiesOf(model, bytes('zz!'), 2)).toEqual([unseen, unseen, unseen])
})

test('at the start of a text the contexts are as long as the text so far', () => {
  const model = trainNgrams(bytes('abracadabra'), 2)
  const [first = 0, ...longer] = probabilitiesOf(model, bytes('ab'), 0)
  expect(longer).toEqual([first, first])
  const [, second = 0, third] = probabilitiesOf(model, bytes('ab'), 1)
  expect(third).toBe(second)
})

test('the probabilities of the 256 bytes sum to one within 1e-12, in every context and order', () => {
  const alphabet = fc.constantFrom(0, 97, 98, 255)
  fc.assert(
    fc.property(
      fc.array(alphabet, { maxLength: 60 }),
      fc.array(alphabet, { maxLength: 7 }),
      (train, context) => {
        const model = trainNgrams(Uint8Array.from(train), 5)
        const sums = new Array(6).fill(0)
        for (let byte = 0; byte < 256; byte++) {
          const p = probabilitiesOf(model, Uint8Array.from([...context, byte]), context.length)
          p.forEach((value, order) => {
            sums[order] += value
          })
        }
        for (const sum of sums) expect(sum).toBeCloseTo(1, 12)
      },
    ),
    { numRuns: 200 },
  )
})

test('the hashed counts agree with counting substrings', () => {
  const text = bytes('the cat sat on the mat; the rat sat on the cat. '.repeat(3))
  const model = trainNgrams(text, 5)
  for (const at of [10, 40, 90])
    expect(probabilitiesOf(model, text, at)).toEqual(slowProbabilities(text, at, 5))
})

// The definition, word for word: every occurrence is looked for anew.
function slowProbabilities(text: Uint8Array, at: number, orderMax: number): number[] {
  const byte = text[at] ?? 0
  const all = [...text]
  const kinds = new Set(all).size
  const out = [(all.filter(b => b === byte).length + kinds / 256) / (all.length + kinds)]
  for (let order = 1; order <= orderMax; order++) {
    const context = all.slice(at - order, at).join()
    const followers = all.filter((_, i) => i >= order && all.slice(i - order, i).join() === context)
    const distinct = new Set(followers).size
    const shorter = out[order - 1] ?? 0
    const hits = followers.filter(b => b === byte).length
    out.push(followers.length === 0 ? shorter : (hits + distinct * shorter) / (followers.length + distinct))
  }
  return out
}

test('bits per byte is the mean of −log2 p: eight for a model that has seen nothing', () => {
  expect(bitsPerByte(trainNgrams(new Uint8Array(), 2), bytes('any text'))).toEqual([8, 8, 8])
})

test('contexts longer than five bytes are refused', () => {
  expect(() => trainNgrams(bytes('abc'), 6)).toThrow(RangeError)
})
