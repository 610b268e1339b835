/** What a server's review says of a tool, a prompt or a resource, as the facts that policy judges. */

import type { Server, ServerTier } from '../registry/server.ts'
import type { ResourceFacts } from './facts.ts'

/** A tool as policy sees it; undefined if no reviewer accepted one of that name. */
export function toolFacts(
  server: Server,
  name: string,
  tier: ServerTier,
): ResourceFacts | undefined {
  const tool = server.tools.get(name)
  if (tool === undefined) return undefined
  const { class: toolClass, consequential, sinks } = tool
  return {
    type: 'tool',
    ...serverFacts(server),
    tier,
    name,
    class: toolClass,
    consequential,
    sinks,
  }
}

/** A prompt as policy sees it: it shows text and changes nothing. */
export function promptFacts(server: Server, name: string, tier: ServerTier): ResourceFacts {
  return {
    type: 'prompt',
    ...serverFacts(server),
    tier,
    name,
    class: 'read',
    consequential: false,
    sinks: [],
  }
}

/** Reading a resource as policy sees it. */
export function resourceFacts(server: Server, uri: string, tier: ServerTier): ResourceFacts {
  const { class: resourceClass, consequential } = server.resources
  return {
    type: 'resource',
    ...serverFacts(server),
    tier,
    name: uri,
    class: resourceClass,
    consequential,
    sinks: [],
  }
}

function serverFacts(server: Server): Pick<ResourceFacts, 'server' | 'serverName' | 'serverState'> {
  return { server: server.id, serverName: server.name, serverState: server.state }
}
