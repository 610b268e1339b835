/**
 * Whose words direct what the agent does: they need the right as well.
 *
 * `directingOf` is asked wherever a call under a delegation is decided. The agent has no say in it: whoever
 * directed a turn of its conversation directs every call from then on, because its context window holds
 * what they said. A new conversation begins without them.
 */

import { sql } from 'kysely'
import type { DelegationId } from '../../delegation/delegation.ts'
import { type PersonId, personIdSchema } from '../../people/person.ts'
import type { Tx } from '../../store/store.ts'
import { AUTHORITY, type Author, type ConversationId } from './conversation.ts'
import type { ModelSegment } from './envelopes.ts'
import type { Folded } from './fold-directives.ts'

/** The conversations of delegations, and the people whose words directed their turns. */
export interface Directing {
  readonly conversations: readonly ConversationId[]
  readonly people: readonly PersonId[]
}

/** Who directs the calls under `delegations`: one and all that stand above it. */
export async function directingOf(
  tx: Tx,
  delegations: readonly DelegationId[],
): Promise<Directing> {
  const { rows } = await sql<{ id: ConversationId; author: string | null }>`
    select distinct c.id, d.author
    from conversation c
    left join conversation_event e on e.conversation = c.id and e.kind in ('turn', 'answered')
    left join lateral jsonb_array_elements_text(e.facts -> 'directing') d(author) on true
    where c.delegation = any(${delegations}::text[])
    order by 1, 2`.execute(tx)
  const people = rows.flatMap(({ author }) => {
    const person = personIdSchema.safeParse(author)
    return person.success ? [person.data] : []
  })
  return {
    conversations: [...new Set(rows.map(({ id }) => id))],
    people: [...new Set(people)],
  }
}

/**
 * Who directs a turn: whoever asks, and those whose directives are in effect. A model without the channel
 * cannot tell words that direct from others, so there everybody directs whose words it is shown as more
 * than data.
 */
export function directorsOf(
  asker: Author,
  {
    segments,
    settings,
    through,
  }: {
    readonly segments: readonly ModelSegment[]
    readonly settings: readonly Folded[]
    readonly through: 'channel' | 'messages'
  },
): readonly Author[] {
  const settled = settings.flatMap(speakersOf)
  const heard =
    through === 'channel'
      ? []
      : segments
          .filter(({ envelope }) => envelope.kind === 'utterance' && mayDirect(envelope))
          .flatMap(({ envelope }) => [
            envelope.principal.sub,
            ...(envelope.onBehalfOf === undefined ? [] : [envelope.onBehalfOf.sub]),
          ])
  return [...new Set([asker, ...settled, ...heard])]
}

/** The author of a directive, and the person whom an agent gave it for. */
export function speakersOf({ author, onBehalfOf }: Folded): readonly Author[] {
  return onBehalfOf === undefined ? [author] : [author, onBehalfOf]
}

function mayDirect({ authority }: ModelSegment['envelope']): boolean {
  return authority >= AUTHORITY.member
}
