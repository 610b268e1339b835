/**
 * The general X.509 library that tests hold our certificates against. It wants the `reflect-metadata`
 * polyfill, of which it uses these two functions.
 */

type Metadata = Map<unknown, unknown>
const known = new WeakMap<object, Metadata>()

Object.assign(Reflect, {
  defineMetadata: (key: unknown, value: unknown, target: object): void => {
    known.set(target, (known.get(target) ?? new Map<unknown, unknown>()).set(key, value))
  },
  getMetadata: (key: unknown, target: object): unknown => known.get(target)?.get(key),
  getOwnMetadata: (key: unknown, target: object): unknown => known.get(target)?.get(key),
})

/** The library. */
export const x509 = await import('@peculiar/x509')
