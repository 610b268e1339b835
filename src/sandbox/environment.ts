/** The environment of a program: what it is given, less what would reach around the walls. */

import { ok, refuse, type Result } from '../base/result.ts'

/** A variable that says how a program is loaded rather than what it does. */
export interface EnvironmentRefusal {
  readonly reason: 'environment_refused'
  readonly message: string
}

// Read by the dynamic linker, libc, OpenSSL and Node before the program's first line: with them foreign code
// would be loaded into bubblewrap itself, or Node's permissions loosened. The shell that mounts T0's scratch
// would run functions, and what a trace's prompt says; mount would be told other things.
const LOADERS =
  /^(LD_|DYLD_|NODE_(?!ENV$)|OPENSSL_|SSL_|GLIBC_|GCONV_|MALLOC_|LOCPATH$|NLSPATH$|UV_|BASH|SHELLOPTS$|PS4$|LIBMOUNT_)/

/** Refuses an environment that names a loader's variable. */
export function checkedEnvironment(
  environment: Readonly<Record<string, string>>,
): Result<undefined, EnvironmentRefusal> {
  const loader = Object.keys(environment).find((name) => LOADERS.test(name))
  return loader === undefined
    ? ok()
    : refuse({
        reason: 'environment_refused',
        message: `\`${loader}\` is not a program's to be given`,
      })
}
