/**
 * getsockopt(2), which Node does not offer: the one foreign function that identity needs.
 *
 * @see getsockopt(2)
 */

// Not configuration: `node:ffi` announces itself as experimental, and only there.
import process from 'node:process'

const SOL_SOCKET = 1

/** One option of a socket at `SOL_SOCKET`; nothing if the kernel does not give it whole. */
export function socketOption(descriptor: number, name: number, size: number): Buffer | undefined {
  const value = Buffer.alloc(size)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(size)
  const status = getsockopt()(descriptor, SOL_SOCKET, name, value, length)
  return status === 0 && length.readUInt32LE(0) === size ? value : undefined
}

type GetSockOpt = (
  ...call: [descriptor: number, level: number, name: number, value: Buffer, length: Buffer]
) => number

let loaded: GetSockOpt | undefined

/** getsockopt(2) of the C library that Node itself runs on. Throws where there is none to call. */
function getsockopt(): GetSockOpt {
  if (loaded !== undefined) return loaded
  // oxlint-disable-next-line typescript/unbound-method -- it is put back, not called
  const { emitWarning } = process
  // The one warning that this is an experimental interface; nothing else runs in between.
  process.emitWarning = () => undefined
  try {
    const { dlopen } = process.getBuiltinModule('node:ffi')
    const { functions } = dlopen(null, {
      getsockopt: { arguments: ['i32', 'i32', 'i32', 'pointer', 'pointer'], return: 'i32' },
    })
    loaded = functions.getsockopt
    return loaded
  } finally {
    process.emitWarning = emitWarning
  }
}
