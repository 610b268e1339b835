/**
 * How people ask for what tools do: for the verbs and things in tools' names, the everyday words.
 *
 * A closed list of common English, by meaning; it knows no product, person or task. `verbsFor` and
 * `thingsFor` answer for the words of a tool's name; an unknown word stands for itself.
 */

/** Verbs that people use for each other when they ask, each group after the verbs of tools' names. */
const ACTIONS: readonly (readonly [RegExp, string])[] = [
  [
    /^(?:send|email|mail|dm|message|reply|respond|forward|notify|tell)$/,
    'send email mail write forward reply respond message notify tell inform text dm contact let post',
  ],
  [/^(?:share|grant)$/, 'share grant'],
  [
    /^(?:post|publish|tweet|broadcast|announce|comment)$/,
    'post publish announce put upload write share broadcast comment',
  ],
  [/^(?:upload|submit|attach)$/, 'upload submit attach put send hand'],
  [/^(?:invite)$/, 'invite add ask bring'],
  [
    /^(?:create|new|make|register|insert)$/,
    'create make add write new set draft prepare plan schedule book open register put organize organise arrange start save',
  ],
  [
    /^(?:add|join|assign|subscribe)$/,
    'add invite include put append insert join assign bring subscribe',
  ],
  [/^(?:append|write|insert|save)$/, 'append add insert write put include extend save note record'],
  [
    /^(?:delete|erase|purge|wipe|drop|destroy)$/,
    'delete remove erase clear trash drop purge discard',
  ],
  [/^(?:cancel|revoke|terminate|close)$/, 'cancel remove delete revoke terminate close drop call'],
  [
    /^(?:remove|kick|ban|uninstall|unsubscribe|leave)$/,
    'remove delete kick ban exclude uninstall leave unsubscribe take',
  ],
  [/^(?:reschedule|move|postpone)$/, 'reschedule move postpone shift push delay bring'],
  [
    /^(?:update|change|edit|set|modify|rename|reset|mark|enable|disable|replace)$/,
    'update change edit set modify adjust correct fix replace rename reset increase decrease raise lower mark enable disable move switch',
  ],
  [
    /^(?:pay|transfer|refund|donate|tip|charge|deposit|withdraw)$/,
    'pay transfer wire send refund reimburse return settle give donate deposit withdraw',
  ],
  [/^(?:schedule|plan)$/, 'schedule plan arrange set book'],
  [/^(?:book|reserve|order|buy|purchase|rent)$/, 'book reserve order buy purchase get rent make'],
  [/^(?:run|execute|start|stop|restart|restore)$/, 'run execute start stop restart restore launch'],
]

/** Things that people mean by other words, each group after the nouns of tools' names. */
const THINGS: readonly (readonly [RegExp, string])[] = [
  [/^(?:email|mail|inbox)$/, 'email mail message note letter inbox address'],
  [/^(?:message|dm|chat|sm)$/, 'message note text chat dm channel reply inbox'],
  [
    /^(?:calendar|event|meeting|appointment)$/,
    'event meeting appointment calendar reminder invitation call lunch dinner breakfast session',
  ],
  [/^(?:participant|attendee|guest|invitee)$/, 'participant attendee guest invitee person people'],
  [
    /^(?:file|document|doc|drive|folder|sheet)$/,
    'file document doc list sheet spreadsheet report minutes notes folder drive note presentation paper',
  ],
  [
    /^(?:money|payment|transaction|transfer|fund|payout|invoice|bill)$/,
    'money payment transaction transfer rent bill invoice amount difference share order orders debt fee refund salary subscription deposit balance cost price sum dues',
  ],
  [/^(?:password|passphrase|credential|pin)$/, 'password passphrase credential pin'],
  [
    /^(?:info|information|detail|details|profile|user|account|setting|preference)$/,
    'info information detail details profile account user setting settings preferences data',
  ],
  [/^(?:address|street|city)$/, 'address street city place'],
  [/^(?:channel|room|group|team|workspace|slack)$/, 'channel room group team workspace slack'],
  [/^(?:member|person|people|contact)$/, 'member person people contact user'],
  [
    /^(?:webpage|web|page|website|site|url|link)$/,
    'webpage web page website site url link article blog',
  ],
  [/^(?:hotel|lodging|stay)$/, 'hotel room stay accommodation lodging'],
  [/^(?:restaurant|table)$/, 'restaurant table dinner lunch meal'],
  [/^(?:car|vehicle|rental)$/, 'car vehicle rental'],
  [/^(?:flight|ticket|trip)$/, 'flight ticket trip seat'],
  [/^(?:issue|ticket|task|todo|bug)$/, 'issue ticket task todo bug item'],
  [/^(?:reservation|booking)$/, 'reservation booking'],
]

/** Verbs that many tools share: such a verb says little without its thing. */
const GENERIC =
  /^(?:send|create|make|add|new|set|update|change|edit|write|put|insert|start|run|move|save|mark|register|delete|remove|get|order|close|open|leave|call)$/

/** The verbs by which people ask for what a tool's verb does; in their base form, as one asks. */
export function verbsFor(verb: string): ReadonlySet<string> {
  const groups = ACTIONS.filter(([names]) => names.test(verb)).flatMap(([, said]) =>
    said.split(' '),
  )
  return new Set([verb, ...groups])
}

/** The words by which people speak of a thing in a tool's name. */
export function thingsFor(thing: string): ReadonlySet<string> {
  const groups = THINGS.filter(([names]) => names.test(thing)).flatMap(([, said]) =>
    said.split(' '),
  )
  return new Set([thing, ...groups])
}

/** Whether a verb says by itself what is asked for. */
export function isSpecific(verb: string): boolean {
  return !GENERIC.test(verb)
}
