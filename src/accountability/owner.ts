/** What can be owned, and by whom. */

import type { AgentId } from '../identity/agent.ts'
import type { GroupId, PersonId } from '../people/person.ts'

/** Who owns: a person, or a group that answers by its rotation. */
export type Owner = PersonId | GroupId

/** What is owned: an agent, all agents of an archetype, or a group, whose owner answers when it cannot. */
export type Owned = AgentId | `archetype:${string}` | GroupId

/** Whether an owner is a group. */
export function isGroup(subject: Owner | Owned): subject is GroupId {
  return subject.startsWith('grp_')
}
