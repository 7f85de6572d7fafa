// The addresses of the web pages: the server answers them with the one document of the app, which shows what they name.

export const PAGE_PATHS = {
  home: '/',
  campaigns: '/c',
  submit: '/c/new', // before what would take the word for an id
  campaign: '/c/:id',
  experiment: '/e/:id',
  start: '/start',
  host: '/h/:id',
  top: '/top',
  explore: '/x',
  ops: '/ops',
  status: '/status',
  log: '/log',
  docs: '/docs',
  api: '/api',
  login: '/login',
  signup: '/signup',
  device: '/device',
  me: '/me',
} as const

export type PageName = keyof typeof PAGE_PATHS

export interface Place {
  readonly page: PageName
  /** What the address names; empty for a page of which there is one. */
  readonly id: string
}

/** The page at a path, or undefined. A slash at the end does not matter. */
export function placeOf(path: string): Place | undefined {
  const parts = split(path)
  for (const page of pageNames) {
    const wanted = split(PAGE_PATHS[page])
    if (wanted.length !== parts.length) continue
    if (wanted.every((part, i) => part === ':id' || part === parts[i]))
      return { page, id: wanted.includes(':id') ? (parts.at(-1) ?? '') : '' }
  }
  return undefined
}

const isPage = (name: string): name is PageName => name in PAGE_PATHS
const pageNames: readonly PageName[] = Object.keys(PAGE_PATHS).filter(isPage)

const split = (path: string): string[] => path.split('/').filter(part => part !== '')
