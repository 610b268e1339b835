/**
 * What a bridge and the server say to each other on the door, a unix socket of the server: one JSON value
 * a line. The bridge asks once, then keeps the connection for as long as its window lives; the server
 * speaks again only to say that the window has ended.
 */

import * as z from 'zod'

/** The first line of a bridge: a new window, or the one that it had before the server went away. */
export const doorRequest = z.union([
  z.strictObject({ open: z.string().max(100) }),
  z.strictObject({ resume: z.string().max(100), connection: z.string().max(100) }),
])
/** What a bridge asks for. */
export type DoorRequest = z.infer<typeof doorRequest>

const opened = z.object({
  agent: z.string(),
  spiffeId: z.string(),
  /** The window's own Workload API socket. */
  socket: z.string(),
  /** The public origin of the installation. */
  issuer: z.string(),
  /** The signed delegation: useless without the SVID that `socket` gives. */
  delegation: z.string(),
})
/** What a window works with. */
export type OpenedWindow = z.infer<typeof opened>

/** A line of the server. */
export const doorAnswer = z.union([
  z.object({ opened }),
  z.object({ resumed: z.string() }),
  z.object({ refused: z.string(), message: z.string().optional() }),
  z.object({ ended: z.string() }),
])
/** What the server says. */
export type DoorAnswer = z.infer<typeof doorAnswer>

/** The longest line of a bridge, in bytes. */
export const MAX_REQUEST_BYTES = 1_024

/** The refusal that passes: the bridge may ask again. */
export const UNAVAILABLE = 'unavailable'
