/**
 * The ways out of a jail's empty network: sockets that listen on its loopback and belong to us.
 *
 * A first program inside listens, hands the listening sockets out over a channel that it was born with,
 * and becomes the real program. Nothing of ours stays inside: the program can connect to a door and can
 * neither see, stop nor impersonate what answers. Unix sockets stay denied to it.
 */

import type { ChildProcess } from 'node:child_process'
import { Server, type Socket } from 'node:net'

/** What answers at a port of a jail's loopback. */
export interface Door {
  readonly port: number
  readonly serve: (socket: Socket) => void
}

/** Takes an environment without the channel along: it was never the program's. */
const OPENER = `
const [ports, file, ...args] = process.argv.slice(1)
const { Server } = require('node:net')
const listening = (port) => new Promise((resolve, reject) => {
  const server = new Server()
  server.once('error', reject).listen(port, '127.0.0.1', () => resolve(server))
})
;(async () => {
  for (const port of JSON.parse(ports)) {
    const server = await listening(port)
    await new Promise((sent) => process.send(port, server, {}, sent))
  }
  process.disconnect()
  const { NODE_CHANNEL_FD, NODE_CHANNEL_SERIALIZATION_MODE, ...environment } = process.env
  process.execve(file, [file, ...args], environment)
})()
`

/** The command that opens `doors` and then becomes `command`. */
export function opening(
  doors: readonly Door[],
  command: readonly string[],
  nodePath: string,
): string[] {
  if (doors.length === 0) return [...command]
  const ports = JSON.stringify(doors.map((door) => door.port))
  return [nodePath, '--no-warnings', '-e', OPENER, '--', ports, ...command]
}

/** Serves the doors whose sockets `child` sends; the result closes them and everything that came through. */
export function attend(child: ChildProcess, doors: readonly Door[]): () => void {
  const listeners = new Set<Server>()
  const sockets = new Set<Socket>()
  let awaited = doors.length
  child.on('message', (port, handle) => {
    const door = doors.find((each) => each.port === port)
    if (!(handle instanceof Server)) return
    listeners.add(handle)
    handle.on('connection', (socket) => {
      sockets.add(socket)
      socket.on('error', () => socket.destroy())
      socket.once('close', () => sockets.delete(socket))
      if (door === undefined || sockets.size > MAX_SOCKETS) socket.destroy()
      else door.serve(socket)
    })
    // What comes after the last door would come from the program.
    if (--awaited === 0 && child.connected) child.disconnect()
  })
  return () => {
    for (const listener of listeners) listener.close()
    for (const socket of sockets) socket.destroy()
  }
}

/** Connections of one program at a time. */
const MAX_SOCKETS = 256
