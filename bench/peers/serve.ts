/** The HTTP server of every peer: the least that node:http takes, and one line about where it is. */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers with the JSON text that `answer` makes of a request's body. */
export function serveJson(
  answer: (body: Buffer, request: IncomingMessage) => string | Promise<string>,
): void {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on(
      'end',
      () => void respond(response, async () => answer(Buffer.concat(chunks), request)),
    )
  })
  server.listen(0, '127.0.0.1', () => {
    const { port } = server.address() as AddressInfo
    console.log(JSON.stringify({ url: `http://127.0.0.1:${port}/mcp` }))
  })
}

async function respond(response: ServerResponse, work: () => Promise<string>): Promise<void> {
  try {
    send(response, 200, await work())
  } catch (fault) {
    console.error(fault)
    send(response, 500, '{}')
  }
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
