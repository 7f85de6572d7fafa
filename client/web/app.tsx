import type { ComponentType } from 'preact'
import type { PageName } from '#protocol/pages.ts'
import { late } from './late.tsx'
import { Campaigns } from './pages/campaigns.tsx'
import { Home } from './pages/home.tsx'
import { place } from './router.ts'
import { Shell } from './ui/shell.tsx'

interface PageProps {
  readonly id: string
}
type Page = ComponentType<PageProps>

const PAGES: Readonly<Record<PageName, Page>> = {
  home: Home,
  campaigns: Campaigns,
  campaign: late(async () => (await import('./pages/campaign.tsx')).CampaignPage),
  experiment: late(async () => (await import('./pages/experiment.tsx')).ExperimentPage),
  host: late(async () => (await import('./pages/host.tsx')).HostPage),
  submit: late(async () => (await import('./pages/submit.tsx')).SubmitPage),
  ops: late(async () => (await import('./pages/ops.tsx')).OpsPage),
  top: late(async () => (await import('./pages/top.tsx')).TopPage),
  explore: late(async () => (await import('./pages/explore.tsx')).ExplorePage),
  status: late(async () => (await import('./pages/status.tsx')).StatusPage),
  log: late(async () => (await import('./pages/log.tsx')).LogPage),
  docs: late(async () => (await import('./pages/docs.tsx')).DocsPage),
  api: late(async () => (await import('./pages/api.tsx')).ApiPage),
  login: late(async () => (await import('./pages/login.tsx')).LoginPage),
  device: late(async () => (await import('./pages/device.tsx')).DevicePage),
  me: late(async () => (await import('./pages/me.tsx')).MePage),
  signup: late(async () => (await import('./pages/signup.tsx')).SignupPage),
  start: late(async () => (await import('./pages/start.tsx')).StartPage),
}

/** The frame and the page that the address names. */
export function App() {
  const here = place.value
  const Page = here === undefined ? Missing : PAGES[here.page]
  const key = here === undefined ? 'missing' : `${here.page} ${here.id}`
  return (
    <Shell>
      <Page key={key} id={here?.id ?? ''} />
    </Shell>
  )
}

function Missing() {
  return (
    <>
      <h1>There is no such page</h1>
      <p>
        Perhaps the address was cut. <a href="/">What is happening now</a>, <a href="/c">all campaigns</a>, or
        paste an id into the field above.
      </p>
    </>
  )
}
