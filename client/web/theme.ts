import { computed, signal } from '@preact/signals'

const THEMES = ['auto', 'light', 'dark'] as const
type Theme = (typeof THEMES)[number]
const KEY = 'theme'

const known = THEMES.find(name => name === stored())

// A browser that keeps nothing throws at the very name.
function stored(): string | null {
  try {
    return localStorage.getItem(KEY)
  } catch {
    return null
  }
}

function store(name: Theme): void {
  try {
    localStorage.setItem(KEY, name)
  } catch {
    // It holds until the page is left.
  }
}

/** `auto` follows the system. */
export const theme = signal<Theme>(known ?? 'auto')

const systemDark = matchMedia('(prefers-color-scheme: dark)')
const system = signal(systemDark.matches)
systemDark.addEventListener('change', () => {
  system.value = systemDark.matches
})

/** Changes whenever colours do: a canvas must then be drawn again. */
export const scheme = computed(() => `${theme.value} ${system.value}`)

export function applyTheme(): void {
  const root = document.documentElement
  if (theme.value === 'auto') root.removeAttribute('data-theme')
  else root.setAttribute('data-theme', theme.value)
}

export function turnTheme(): void {
  theme.value = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? 'auto'
  store(theme.value)
  applyTheme()
}
