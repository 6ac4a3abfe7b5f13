/** Passkeys (通行密钥) in the JSON form of Web Authentication, level 3. */
import { localProblem, ProblemError } from '@twt/shared/api/problem'

/** Whether this browser can use passkeys at this address. */
export const passkeysHere = () => window.isSecureContext && typeof PublicKeyCredential === 'function' && 'parseRequestOptionsFromJSON' in PublicKeyCredential

/** What the device refused, in a sentence. */
const refusals: Record<string, string> = {
  InvalidStateError: '这台设备已登记过通行密钥，请直接使用，或换一台设备。',
  NotAllowedError: '没有完成验证：已取消或超时，请重试。',
  AbortError: '没有完成验证：已取消或超时，请重试。',
  SecurityError: '当前地址不能使用通行密钥，请通过正式的控制台地址打开。',
}

async function answer(asked: Promise<Credential | null>): Promise<unknown> {
  try {
    const credential = await asked
    if (!(credential instanceof PublicKeyCredential)) throw new DOMException('', 'NotAllowedError')
    return credential.toJSON()
  } catch (e) {
    const detail = e instanceof DOMException ? refusals[e.name] : undefined
    throw new ProblemError(detail ? { status: 0, code: 'passkey', detail } : localProblem('interrupted'), { cause: e })
  }
}

/** Proves the presence of a passkey: the server's options in, the answer for it out. */
export function usePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options as PublicKeyCredentialRequestOptionsJSON)
  return answer(navigator.credentials.get({ publicKey }))
}

/** Makes a passkey on this device. */
export function makePasskey(options: unknown): Promise<unknown> {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options as PublicKeyCredentialCreationOptionsJSON)
  return answer(navigator.credentials.create({ publicKey }))
}
