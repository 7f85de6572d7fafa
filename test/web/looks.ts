// What every page has to stand: readers of any kind, any window, and names that are markup.

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import axe from 'axe-core'
import type { Page } from 'playwright-core'

/** Where `XEENET_SCREENSHOTS=DIR` wants every page as a picture. */
const PICTURES = process.env.XEENET_SCREENSHOTS

/** What a stranger may have called anything. */
export const HOSTILE = '<img src=x onerror="document.title=1"><script>document.title=1</script>'

// A page says what it is doing in such words; without them it is there.
export const settled = async (page: Page): Promise<void> => {
  await page.locator('h1').first().waitFor()
  await page.waitForFunction(() => !/Loading/.test(document.querySelector('main')?.innerText ?? 'Loading'))
}

export interface Look {
  readonly name: string
  readonly colorScheme: 'light' | 'dark'
  readonly width: number
}
export const LOOKS: readonly Look[] = [
  { name: 'light', colorScheme: 'light', width: 1280 },
  { name: 'dark', colorScheme: 'dark', width: 1280 },
  { name: 'phone', colorScheme: 'light', width: 390 },
]

/** What is wrong with a page when it is looked at in this way; and its picture, if somebody wants it. */
export async function faults(page: Page, { name, colorScheme, width }: Look): Promise<string[]> {
  await page.emulateMedia({ colorScheme })
  await page.setViewportSize({ width, height: 900 })
  const found = await violations(page)
  const wide = await page.evaluate(() => document.documentElement.scrollWidth)
  if (wide > width) found.push(`${wide} px wide in a window of ${width}`)
  const { pathname, search } = new URL(page.url())
  const file = `${pathname}${search}`.replaceAll(/[/?=]|_[0-9a-z]{26}/g, '-')
  if (PICTURES !== undefined) await picture(page, PICTURES, `${name}${file}`)
  return found
}

async function picture(page: Page, directory: string, name: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true })
}

async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source)
  return page.evaluate(async () => {
    const { axe: known } = window as unknown as { axe: typeof import('axe-core') }
    const tags = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']
    const { violations: found } = await known.run(document, { runOnly: { type: 'tag', values: tags } })
    return found.flatMap(({ id, nodes }) => nodes.map(node => `${id}: ${node.html.slice(0, 160)}`))
  })
}

/** What is wrong with it in each of the looks; a stranger's markup among it. */
export async function faultsInAll(page: Page): Promise<string[]> {
  const { pathname, search } = new URL(page.url())
  const found: string[] = []
  if ((await page.locator('main img, main script, main b[onclick]').count()) > 0)
    found.push("a stranger's elements")
  if ((await page.title()) === '1') found.push("a stranger's script ran")
  for (const look of LOOKS) found.push(...(await faults(page, look)).map(fault => `${look.name}: ${fault}`))
  await page.setViewportSize({ width: 1280, height: 900 })
  return found.map(fault => `${pathname}${search} ${fault}`)
}
