import { Command } from 'commander'
import { withServer } from './options.ts'

/** A command about one thing of a server, which its first argument names. */
export function verb(
  name: string,
  description: string,
  action: (command: Command, argument: string) => Promise<void>,
): Command {
  const command = withServer(new Command(name).description(description))
  return command.action(() => action(command, command.args[0] ?? ''))
}

/** Where a campaign is. */
export const campaignPath = (id: string): string => `/api/v1/campaigns/${encodeURIComponent(id)}`
