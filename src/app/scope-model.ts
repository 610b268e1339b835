/** The model that may propose scopes, as it is configured: where it is, and the file with its credential. */

import { open } from 'node:fs/promises'
import { AskedModel } from '../delegation/asked-model.ts'
import type { Clock } from '../base/clock.ts'
import { ChatCompletions } from '../upstream/chat-completions.ts'
import type { Own } from '../upstream/guarded-request.ts'
import type { Configuration } from './configuration.ts'

/** A model, and how to end what is open to it. */
export interface OpenedModel {
  readonly model: AskedModel
  close(): void
}

const MAX_KEY_BYTES = 4_096

/** The model of the configuration, if there is one. Throws if its credential cannot be read. */
export async function openScopeModel(
  configuration: Configuration,
  env: { readonly clock: Clock; readonly own: Own },
): Promise<OpenedModel | undefined> {
  const { scopeModelUrl, scopeModel, scopeModelKeyFile: file } = configuration
  if (scopeModelUrl === undefined || scopeModel === undefined) return undefined
  // Said at the start, not at somebody's first question.
  if (file !== undefined) await credentialIn(file)
  const chat = new ChatCompletions(
    {
      url: new URL(scopeModelUrl),
      model: scopeModel,
      timeoutMilliseconds: configuration.scopeModelSeconds * 1_000,
      most: configuration.scopeModelQuestions,
      ...(file !== undefined && { credential: () => credentialIn(file) }),
    },
    env,
  )
  const model = new AskedModel(chat, env)
  return { model, close: () => chat.close() }
}

/** The credential in a file. Throws where others could read it, or what it holds could not be sent. */
async function credentialIn(file: string): Promise<string> {
  const handle = await open(file, 'r')
  try {
    const { mode, size } = await handle.stat()
    if ((mode & 0o007) !== 0)
      throw new Error(
        `expected nobody else to reach \`${file}\`, got mode 0${(mode & 0o777).toString(8)}`,
      )
    if (size > MAX_KEY_BYTES)
      throw new Error(`expected at most ${MAX_KEY_BYTES} bytes in \`${file}\`, got ${size}`)
    const key = (await handle.readFile('utf8')).trim()
    if (!/^[\x21-\x7e]+$/.test(key))
      throw new Error(`expected one line of visible ASCII in \`${file}\``)
    return key
  } finally {
    await handle.close()
  }
}
