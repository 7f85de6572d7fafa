import { useEffect } from 'preact/hooks'

/** What the tab is called while a page is shown. */
export function useTitle(title: string | undefined): void {
  useEffect(() => {
    document.title = title === undefined ? 'XeeNet' : `${title} · XeeNet`
  }, [title])
}
