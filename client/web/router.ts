import { computed, signal } from '@preact/signals'
import { type Place, placeOf } from '#protocol/pages.ts'

/** Where the browser is. */
export const address = signal(new URL(location.href))
addEventListener('popstate', () => {
  address.value = new URL(location.href)
})

const path = computed(() => address.value.pathname)

/** Where the reader is, the same while only what stands after `?` changes; undefined at an address without a page. */
export const place = computed<Place | undefined>(() => placeOf(path.value))

/** What the address says after `?`: filters, sort order and tabs live there, so that a link shows the same. */
export const query = computed(() => address.value.searchParams)

/** Shows another page without loading anything. */
export function go(to: string): void {
  history.pushState(null, '', to)
  address.value = new URL(location.href)
  scrollTo(0, 0)
}

/** Changes the query in place; an undefined value is removed. */
export function setQuery(changes: Readonly<Record<string, string | undefined>>): void {
  const next = new URL(address.value)
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined || value === '') next.searchParams.delete(name)
    else next.searchParams.set(name, value)
  }
  history.replaceState(null, '', next)
  address.value = next
}

/** Links of the app change the page in place; all others, and those opened in a new tab, are the browser's. */
export function followLinks(): void {
  document.addEventListener('click', event => {
    if (event.defaultPrevented || event.button !== 0) return
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return
    const link = event.target instanceof Element ? event.target.closest('a') : null
    if (link === null || link.target !== '' || link.hasAttribute('download')) return
    const to = new URL(link.href)
    if (to.origin !== location.origin || placeOf(to.pathname) === undefined || to.hash !== '') return
    event.preventDefault()
    go(`${to.pathname}${to.search}`)
  })
}
