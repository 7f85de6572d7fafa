// What researchers and operators do in a browser: a campaign from its form to its export, and an act with the way back.

import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import type { Locator, Page } from 'playwright-core'
import decodeQR from 'qr/decode.js'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { credits } from '#client/web/format.ts'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { type Grid, hostIdOf } from '#ops/grid.ts'
import { HostView } from '#protocol/host.ts'
import { findRunning } from '#server/running.ts'
import { openDatabase } from '#store/database.ts'
import { type Browser, openBrowser, openGrid, type Stage, submit, twoRuns } from './browser.ts'
import { faultsInAll, HOSTILE, settled } from './looks.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI

// Of the data explorer: rows, points, lines, a heat map, and one that nothing fits.
const QUESTIONS = [
  '',
  '?as=scatter&x=lr',
  '?group=lr,width&as=lines&show=mean',
  '?group=lr:log3,width&as=heat',
  '?where=lr>99',
]

const tokenIn = async (file: string): Promise<string> => (await readFile(file, 'utf8')).trim()
const withToken = async (page: Page, token: string): Promise<void> => {
  await page.getByLabel(/^Token/).fill(token)
  await page.getByLabel(/^Token/).blur()
}

describe.skipIf(missing)('in a browser', () => {
  let stage: Stage
  let browser: Browser
  let hostId: string

  beforeAll(async () => {
    stage = await openGrid()
    await stage.grid.addUser('rosa', 'researcher', 100_000)
    await stage.grid.addUser('olga', 'operator')
    await stage.grid.addUser('ann', 'volunteer')
    hostId = hostIdOf(await stage.grid.volunteer('ann', { args: ['--name', HOSTILE.slice(0, 60)] }))
    browser = await openBrowser()
  })
  afterAll(async () => {
    await browser?.close()
    await stage?.close()
  })

  test('a campaign is written in the form, refused on its line, submitted, watched and exported', async () => {
    const { grid } = stage
    const page = await browser.open(`${grid.url}/c/new`)
    const fill = (label: string, value: string) => page.getByLabel(label, { exact: true }).fill(value)
    await page.getByRole('combobox', { name: 'Kernel', exact: true }).selectOption('charlm@1')
    await fill('Title', HOSTILE)
    const fixed = { context: 32, batch: 8, heads: 2, depth: 1, warmup: 10 }
    for (const [name, value] of Object.entries(fixed)) {
      await page.getByLabel(`${name}: default, fixed or varied`).selectOption('fixed')
      await fill(`${name} value`, String(value))
    }
    await page.getByLabel('width: default, fixed or varied').selectOption('varied')
    await fill('width from', '16')
    await fill('width to', '32')
    await fill('Gfuel a run', '3')
    await fill('Experiments', 'two')
    await page
      .getByRole('alert')
      .filter({ hasText: /Line \d+: budget.runs/ })
      .waitFor()
    await fill('Experiments', '4')
    await page.getByText('First recipes').waitFor()
    expect(await page.getByRole('button', { name: 'Submit' }).isDisabled()).toBe(true) // nobody is logged in
    const wrong = await faultsInAll(page)
    await withToken(page, await tokenIn(await grid.tokenFile('rosa', 'campaign')))
    await page.getByText('First recipes').waitFor()
    await page.getByRole('button', { name: 'Submit' }).click()
    await page.waitForURL(/\/c\/c_/)
    const id = new URL(page.url()).pathname.split('/').at(-1) ?? ''
    await page.locator('h1', { hasText: HOSTILE }).waitFor()
    wrong.push(...(await holdAndRevise(page)))
    wrong.push(...(await stopAnother(page, stage)))
    await goTo(page, id)
    stage.verify()
    await page.locator('main .state', { hasText: 'finished' }).first().waitFor() // nobody loads it again
    await page.locator('details.exports summary').click()
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: /All runs: CSV/ }).click(),
    ])
    const lines = (await readFile(await download.path(), 'utf8')).trim().split('\n')
    expect(lines.length).toBeGreaterThan(4)
    expect(lines[0]).toMatch(/metricValue.*recipe/)
    await page.close()
    for (const question of QUESTIONS) {
      const explorer = await browser.open(`${grid.url}/x${question}`)
      await settled(explorer)
      wrong.push(...(await faultsInAll(explorer)))
      await explorer.close()
    }
    expect(wrong).toEqual([])
    expect(id).toMatch(/^c_/)
    expect(browser.complaints.filter(text => !text.includes('422'))).toEqual([]) // what was refused on its line
  })

  test('an operator excludes a host on the console with a reason, and takes it back', async () => {
    const { grid } = stage
    await playDay(grid)
    const page = await browser.open(`${grid.url}/log`)
    await page.getByText('Appeal: rejected').waitFor()
    const wrong = await faultsInAll(page)
    await page.goto(`${grid.url}/ops`)
    await settled(page)
    wrong.push(...(await faultsInAll(page)))
    await withToken(page, await tokenIn(await grid.tokenFile('olga', 'admin')))
    const tabs = page.getByRole('navigation', { name: 'Console' }).getByRole('link')
    await tabs.first().waitFor()
    for (let i = 0; i < (await tabs.count()); i++) {
      await tabs.nth(i).click()
      await settled(page)
      wrong.push(...(await faultsInAll(page)))
    }
    await tabs.filter({ hasText: 'Enrolment links' }).click()
    await page.getByLabel('For whom or what').fill(HOSTILE.slice(0, 60))
    await page.getByRole('button', { name: 'Make a link' }).click()
    const link = await page.locator('code[data-link]').innerText()
    expect(link).toMatch(/\/start#xk_/)
    expect(decodeQR(await pixelsOf(page.getByRole('img', { name: /QR code/ })), { timeLimit: 10_000 })).toBe(
      link,
    )
    await page.getByRole('button', { name: /^End / }).waitFor()
    wrong.push(...(await faultsInAll(page)))
    await page.getByRole('button', { name: /^End / }).click()
    await page.getByText('ended just now').waitFor()
    await tabs.filter({ hasText: 'Given up on' }).click()
    await act(page.getByRole('row').filter({ hasText: LETTER.slice(-8) }), 'Requeue', 'the code was mended')
    await page.getByRole('button', { name: 'Close' }).click()
    await page.getByText('Nothing was given up on.').waitFor()
    expect(wrong).toEqual([])
    const state = async () => (await grid.get(`/api/v1/hosts/${hostId}`, HostView)).state
    await page.getByRole('link', { name: 'Hosts', exact: true }).click()
    const row = page.getByRole('row').filter({ hasText: HOSTILE.slice(0, 60) })
    await act(row, 'Quarantine', 'it needs a rest')
    expect(await state()).toBe('paused')
    await row.getByRole('button', { name: 'Undo' }).click()
    await row.getByText('Undone.').waitFor()
    expect(await state()).toBe('active')
    await tabs.filter({ hasText: /^Results$/ }).click()
    await page.getByLabel('kernel', { exact: true }).fill('charlm@1')
    await page.getByLabel('kernel', { exact: true }).blur()
    await actOnMany(page, 'Validate them again', 'a comparison was mended')
    await page.getByRole('link', { name: 'Audit log' }).first().click()
    await page.getByText('Because: a comparison was mended').waitFor()
    await page.getByText('Because: it needs a rest').waitFor()
    await page.getByText('undone', { exact: true }).waitFor()
    await page.close()
  })
})

/** What its owner does with a campaign that nobody computes yet, from its head; what is wrong with the pages of it. */
async function holdAndRevise(page: Page): Promise<string[]> {
  const head = page.locator('main')
  await head.locator('dl.figures div', { hasText: 'time left' }).getByText('—').waitFor() // nothing tells it
  await page.getByRole('button', { name: 'Pause' }).click()
  await head.locator('.state', { hasText: 'paused' }).waitFor()
  const wrong = await faultsInAll(page)
  await page.getByRole('link', { name: 'Edit → revision 2' }).click()
  const file = page.getByLabel('The file of revision 1')
  const change = async (from: string, to: string) => file.fill((await file.inputValue()).replace(from, to))
  await change('"title": "', '"title: "')
  await page.getByLabel('Reason').fill(HOSTILE)
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByRole('alert').filter({ hasText: 'no JSON' }).waitFor()
  await change('"title: "', '"title": "Again: ')
  await page.getByRole('button', { name: 'Check' }).click()
  await page.getByText('It costs nothing more.').waitFor()
  wrong.push(...(await faultsInAll(page)))
  await page.getByRole('button', { name: 'Save as revision 2' }).click()
  await page.locator('h1', { hasText: 'Again: ' }).waitFor()
  await page.getByText('by the owner').first().waitFor()
  await page.getByRole('button', { name: 'Resume' }).click()
  await head.locator('.state', { hasText: 'running' }).waitFor()
  return wrong
}

/** Goes to the page of an id without leaving the app, which knows the token. */
async function goTo(page: Page, id: string): Promise<void> {
  await page.getByLabel('Go to an id').fill(id)
  await page.getByLabel('Go to an id').press('Enter')
  await page.waitForURL(`**/${id}`)
}

/** Another campaign of hers is ended from its head: first what that would do, then why; what is wrong with the page meanwhile. */
async function stopAnother(page: Page, { grid, dir }: Stage): Promise<string[]> {
  const { id, credit } = await submit(grid, dir, twoRuns('A campaign too many', 3_000_000_000))
  await goTo(page, id)
  const button = page.getByRole('button', { name: 'Stop …' })
  await button.click()
  await page.getByText(`of ${credits(credit.reservedMilli)} credits come back`).waitFor()
  const wrong = await faultsInAll(page)
  await page.getByRole('button', { name: 'Leave it' }).click()
  await button.click()
  await page.getByLabel('Reason').fill(HOSTILE)
  await page.getByRole('button', { name: 'Stop it for good' }).click()
  await page.locator('main .state', { hasText: 'cancelled' }).waitFor()
  await page.getByText(`(${HOSTILE})`).waitFor()
  expect(await button.count()).toBe(0)
  return wrong
}

const LETTER = `w_${'0'.repeat(26)}`

// What the public log shows: an exclusion that stood, one that did not and its end, and one of which nothing was said.
const ACTIONS = `
  with acts as (
    insert into actions (id, kind, party, pseudonym, actor, reason, detail, at, appeal_until)
    select 'a_' || lpad(cast(n as text), 26, '0'), cast(case n when 3 then 'release' else 'quarantine' end as action_kind), null,
      'owl ' || n, case n when 1 then 'server' else 'operator' end,
      case n when 2 then :reason else 'Results of its hosts differed from those of three others, ' || n || ' times in a week.' end, '',
      now() - (5 - n) * interval '9 days', now() - (5 - n) * interval '2 days'
    from generate_series(1, 4) as n returning id)
  insert into appeals (action_id, host_id, user_id, words, filed_at, decision, reason, decided_at)
  select acts.id, (select min(id) from hosts), null, :reason, now() - interval '3 days', 'rejected', :reason, now() - interval '2 days'
  from acts where acts.id like '%2'`

/** A day that went by in no time: the figures of its ten minutes, and one thing that the server gave up on. */
async function playDay(grid: Grid): Promise<void> {
  const running = await findRunning(grid.dataDir)
  if (running === undefined) throw new Error('the server runs')
  const { connectionString } = running
  const knex = openDatabase({ connectionString, poolMax: 1, warn: () => undefined })
  try {
    await knex.raw(
      `insert into symptom_samples select now() - n * interval '10 minutes', 900 + 400 * sin(n / 9.0), 200 + n, 5 + n % 7, 400, n % 9,
         40 + n % 12, n % 20, n % 3, case when n < 40 then 1 else 0 end, 9e7 - 2e5 * n from generate_series(1, 143) as n`,
    )
    await knex.raw(ACTIONS, { reason: HOSTILE })
    await knex.raw(`insert into pgboss.job (name, data) values ('dead', cast(:letter as jsonb))`, {
      letter: JSON.stringify({ id: LETTER, error: HOSTILE }),
    })
  } finally {
    await knex.destroy()
  }
}

/** A picture of a page as it is seen, for a reader of pictures. */
async function pixelsOf(shown: Locator): Promise<{ width: number; height: number; data: Uint8Array }> {
  const png = `data:image/png;base64,${(await shown.screenshot()).toString('base64')}`
  const bare = await shown.page().context().newPage() // without a policy that forbids pictures of this kind
  const { data, ...size } = await bare.evaluate(async source => {
    const image = new Image()
    image.src = source
    await image.decode()
    const { width, height } = image
    const context = new OffscreenCanvas(width, height).getContext('2d')
    context?.drawImage(image, 0, 0)
    return { width, height, data: [...(context?.getImageData(0, 0, width, height).data ?? [])] }
  }, png)
  await bare.close()
  return { ...size, data: Uint8Array.from(data) }
}

/** Preview, reason, confirmation. */
async function act(row: Locator, label: string, reason: string): Promise<void> {
  await row.getByRole('button', { name: label, exact: true }).click()
  await row.getByLabel('Reason').fill(reason)
  await row.getByRole('button', { name: label, exact: true }).click()
  await row.getByText('Done: 1 touched').waitFor()
}

/** The same of several: how many they are has to be typed. */
async function actOnMany(page: Page, label: string, reason: string): Promise<void> {
  await page.getByRole('button', { name: label, exact: true }).click()
  const form = page.locator('.act form')
  const [, count = ''] = /touches ([\d,]+)/.exec(await form.innerText()) ?? []
  const confirm = form.getByRole('button', { name: label, exact: true })
  await form.getByLabel('Reason').fill(reason)
  expect(await confirm.isDisabled()).toBe(true)
  await form.getByLabel(/^Type/).fill(count.replaceAll(',', ''))
  await confirm.click()
  await page.getByText(`Done: ${count} touched`).waitFor()
}
