/** What can be wrong with a log, named by its place. */

/** What is wrong with a log. `index` names the entry, `path` the resource. */
export interface LogFault {
  readonly reason:
    | 'malformed_key'
    | 'checkpoint_missing'
    | 'checkpoint_refused'
    | 'log_shrunk'
    | 'log_forked'
    | 'tile_missing'
    | 'tile_altered'
    | 'entry_missing'
    | 'entry_altered'
    | 'entry_malformed'
    | 'rule_broken'
  readonly index?: number
  readonly path?: string
  readonly message: string
}

/** Carries the first thing that is wrong out of the walk; `verifyLog` turns it into a refusal. */
export class Finding extends Error {
  readonly fault: LogFault

  constructor(
    reason: LogFault['reason'],
    message: string,
    where: { readonly index?: number; readonly path?: string } = {},
  ) {
    super(message)
    this.fault = { reason, message, ...where }
  }
}
