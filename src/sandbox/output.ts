/**
 * What a program hands out: the files that it leaves in `OUTPUT_FOLDER`, as a tar over a pipe.
 *
 * They lie in memory that ends with the jail. A path that the program made is never followed outside: it is
 * read inside, by a process that has no more rights than the program, and `tar.ts` checks what comes out.
 */

import { OUTPUT_FD } from './launch.ts'

/** Where the program writes what it hands out. */
export const OUTPUT_FOLDER = '/output'
/** What reads it. */
export const TAR = '/usr/bin/tar'

const THEN = `"$@" ${OUTPUT_FD}>&-; status=$?
${TAR} --create --format=ustar --hard-dereference --directory=${OUTPUT_FOLDER} . >&${OUTPUT_FD} 2>/dev/null
exit $status`

/** The command that runs `command`, then writes what it left, and ends with its status. */
export function handingOut(command: readonly string[]): string[] {
  return ['/bin/sh', '-c', THEN, 'sh', ...command]
}
