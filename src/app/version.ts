/** The version of the product. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as z from 'zod'

const manifest = readFileSync(join(import.meta.dirname, '../../package.json'), 'utf8')

/** As in package.json. */
export const version: string = z.object({ version: z.string() }).parse(JSON.parse(manifest)).version
