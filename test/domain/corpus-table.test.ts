import { expect, test } from 'vitest'
import { CORPUS_COLUMNS, csvHeader, csvLine, dictionaryOf, recipeColumns } from '#domain/corpus-table.ts'
import { CorpusRow } from '#protocol/corpus.ts'
import { corpusRow } from '#support/corpus.ts'

const cellsOf = (changes: Partial<CorpusRow>, names: readonly string[]): string => {
  const columns = CORPUS_COLUMNS.filter(({ name }) => names.includes(name))
  return csvLine(columns, corpusRow(changes)).trimEnd()
}

test('every field of a row has a column with a meaning', () => {
  const dictionary = dictionaryOf(CORPUS_COLUMNS)
  expect(dictionary.map(({ name }) => name).sort()).toEqual(Object.keys(CorpusRow.shape).sort())
  for (const { meaning } of dictionary) expect(meaning.length).toBeGreaterThan(5)
})

test.each([
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
  ['+1', `'+1`],
  ['-1', `'-1`],
  ['@sum', `'@sum`],
  ['val_bpb', 'val_bpb'],
])('a text %s is %s in CSV: no spreadsheet runs it', (metricName, cell) => {
  expect(cellsOf({ metricName }, ['metricName'])).toBe(cell)
})

test('a number below zero stays a number in CSV', () => {
  expect(cellsOf({ metricValue: -1.5 }, ['metricValue'])).toBe('-1.5')
})

test('what is not there is an empty cell, and JSON is quoted', () => {
  expect(cellsOf({ metricName: null, metricValue: null }, ['metricName', 'metricValue'])).toBe(',')
  expect(cellsOf({ recipe: { width: 16, lr: 0.1 } }, ['recipe'])).toBe('"{""lr"":0.1,""width"":16}"')
})

test('a campaign has a column for each parameter of its kernel, with the words of the manifest', () => {
  const columns = recipeColumns({
    recipe: {
      type: 'object',
      additionalProperties: false,
      properties: {
        depth: { type: 'integer', minimum: 1, maximum: 8, default: 2, description: 'Number of layers' },
        act: { type: 'string', enum: ['=relu', 'gelu'], default: 'gelu' },
      },
    },
  })
  expect(csvHeader(columns)).toBe('recipe.depth,recipe.act\n')
  expect(dictionaryOf(columns)).toMatchObject([
    { type: 'integer', meaning: 'Number of layers', flat: true },
    { type: 'string', meaning: 'The parameter act of the recipe' },
  ])
  expect(csvLine(columns, corpusRow({ recipe: { depth: 3, act: '=relu' } }))).toBe(`3,'=relu\n`)
})
