// From a name and a password to a machine that computes for the account, in a real Chromium and with the real command line.

import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { CHROMIUM } from '#ops/exact/chromium.ts'
import { startGrid } from '#ops/grid.ts'
import { launch, stop, XEENET } from '#ops/process.ts'
import { openBrowser } from './browser.ts'
import { faultsInAll } from './looks.ts'

const missing = !existsSync(CHROMIUM) && !process.env.CI
const PASSWORD = 'correct horse battery'
const HOSTILE = '<b onclick="1">owl</b>'

const Asked = z.looseObject({ url: z.string(), code: z.string() })
const Enrolled = z.looseObject({ host: z.string(), user: z.string().nullable() })

test.skipIf(missing)(
  'somebody signs up, lets a machine in by its code, and sees it and a key on the account',
  async () => {
    const dir = await mkdtemp(join(tmpdir(), 'xeenet-account-'))
    const env = {
      ...{ XEENET_RETRY_MIN_MS: '50', XEENET_DATASETS: 'none', XEENET_LOG_LEVEL: 'warn' },
      ...{
        XEENET_ENROL_WORK: '20000',
        XEENET_KERNELS_DIR: join(dir, 'none'),
        XEENET_SIGNUP_ROLE: 'researcher',
      },
    }
    const grid = await startGrid({ dir, env, serverArgs: ['--no-verifier'] })
    const browser = await openBrowser()
    const wrong: string[] = []
    try {
      const page = await browser.open(`${grid.url}/signup`)
      await page.getByLabel('Name').fill('Ada')
      await page.getByLabel('Password').fill(PASSWORD)
      wrong.push(...(await faultsInAll(page)))
      await page.getByRole('button', { name: 'Make the account' }).click()
      await page.getByRole('heading', { name: 'Ada' }).waitFor()
      expect(new URL(page.url()).pathname).toBe('/me')

      const places = ['--state-dir', join(dir, 'owl'), '--cache-dir', join(dir, 'cache')]
      const up = launch('up', [
        XEENET,
        ...['up', '--login', '--server', grid.url, '--name', HOSTILE, '--once', '--json', ...places],
      ])
      const { url, code } = Asked.parse(await up.until(event => event.ev === 'need_login'))
      await page.goto(`${url}?code=${code}`)
      await page.getByRole('button', { name: 'Look which machine that is' }).click()
      await page.getByText('127.0.0.1').waitFor()
      wrong.push(...(await faultsInAll(page)))
      await page.getByRole('button', { name: 'Yes, log it in' }).click()
      await page.getByText('is logged in as Ada').waitFor()
      const { host } = Enrolled.parse(await up.until(event => event.ev === 'enrolled'))

      await page.getByRole('link', { name: 'Your account' }).click()
      await page.locator(`[data-host=${host}]`).waitFor()
      expect(await page.locator('main b[onclick]').count()).toBe(0)
      await page.getByText('Make a key').click()
      await page.getByLabel('What it is for').fill(HOSTILE)
      await page.getByRole('button', { name: 'Make the key' }).click()
      expect(await page.locator('code[data-key]').innerText()).toMatch(/^xk_/)
      wrong.push(...(await faultsInAll(page)))
      await page.getByRole('link', { name: HOSTILE }).click()
      await page.getByRole('heading', { name: HOSTILE }).waitFor()
      expect(new URL(page.url()).pathname).toBe(`/h/${host}`)

      await page.getByRole('button', { name: 'Log out' }).click()
      await page.getByRole('link', { name: 'Log in' }).click()
      wrong.push(...(await faultsInAll(page)))
      await page.getByLabel('Name').fill('ada')
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('heading', { name: HOSTILE }).waitFor()
      await page.goto(`${grid.url}/login?next=//evil.example/`)
      await page.getByText('You are logged in: Ada').waitFor()
      await page.getByLabel('Name').fill('Ada')
      await page.getByLabel('Password').fill(PASSWORD)
      await page.getByRole('button', { name: 'Log in' }).click()
      await page.getByRole('heading', { name: 'Ada' }).waitFor()
      expect(page.url()).toBe(`${grid.url}/me`)
      await stop(up)
      expect([...wrong, ...browser.complaints]).toEqual([])
    } finally {
      await browser.close()
      await grid.stop()
      await rm(dir, { recursive: true, force: true })
    }
  },
)
