/** Runs inside a sandbox with a proxy: says each of the given texts to it and prints what came back. */

/* oxlint-disable no-restricted-globals -- a program of its own, that is run alone: there is no clock to give it */

import net from 'node:net'

const texts = JSON.parse(process.argv[2] ?? '[]') as string[]
const [PORT, MOST, PROMPT_MILLISECONDS] = [3128, 2_000, 1_500]

async function said(text: string): Promise<string> {
  const socket = net.connect(PORT, '127.0.0.1', () => socket.write(text))
  socket.setTimeout(PROMPT_MILLISECONDS, () => socket.destroy())
  let answer = ''
  socket.on('data', (chunk) => {
    answer += chunk.toString('latin1')
    if (answer.length > MOST) socket.destroy()
  })
  return await new Promise((resolve) => {
    socket.once('error', () => resolve(answer))
    socket.once('close', () => resolve(answer.slice(0, MOST)))
  })
}

const answers = await Promise.all(texts.map(said))
process.stdout.write(JSON.stringify(answers), () => process.exit(0))
