/** A refusal as the server words it (RFC 9457); detail is the sentence for the user. */
export interface Problem {
  /** HTTP status; 0 for what failed on the phone itself. */
  status: number
  code: string
  detail: string
  instance?: string
  /** Tries of the PIN that are left. */
  remaining?: number
  /** Until when the PIN is locked, RFC 3339. */
  lockedUntil?: string
  /** The server's time, with device_clock_wrong. */
  serverTime?: string
  [member: string]: unknown
}

/** What the phone itself finds wrong: code → the sentence for the user. */
const SENTENCES = {
  network_failed: '网络连接失败，请检查网络后重试。',
  answer_unreadable: '服务器的回复无法识别，请稍后重试。',
  storage_failed: '本机无法保存数据，请检查浏览器的存储空间与权限后重试。',
  key_lost: '本机找不到证书密钥，请办理补办恢复后再使用。',
  server_untrusted: '无法确认服务器的身份，为保护您的密钥，操作已停止。请更换网络后重试，或联系客服。',
  message_mismatch: '服务器要签署的内容与您看到的不一致，操作已停止。请勿继续，并联系客服。',
  session_changed: '登录账号已变更，操作已停止，请重新开始。',
  installation_void: '这次安装没有完成，请返回证书页面重新安装。',
  server_slow: '服务器处理时间较长，请稍后返回查看结果，无需重新操作。',
  pin_weak: '该 PIN 码过于简单，请换一个更难猜到的 PIN 码。',
  core_failed: '安全组件运行失败，请重新打开页面后再试。',
  core_unavailable: '安全组件加载失败，请检查网络后重试。',
  interrupted: '操作已中断，请重新开始。',
} as const

export type LocalCode = keyof typeof SENTENCES

/** A problem of the phone's own. */
export function localProblem(code: LocalCode, members: Record<string, unknown> = {}): Problem {
  return { ...members, status: 0, code, detail: SENTENCES[code] ?? SENTENCES.core_failed }
}

/** A problem on its way to whoever shows it. */
export class ProblemError extends Error {
  readonly problem: Problem

  constructor(problem: Problem, options?: ErrorOptions) {
    super(`${problem.code} (${problem.status}): ${problem.detail}`, options)
    this.name = 'ProblemError'
    this.problem = problem
  }
}

/** The problem behind any error, so that a screen always has a sentence. */
export function problemFrom(e: unknown): Problem {
  if (e instanceof ProblemError) return e.problem
  if (e instanceof DOMException && e.name === 'AbortError') return localProblem('interrupted')
  if (e instanceof DOMException) return localProblem('storage_failed', { cause: e.name })
  return localProblem('core_failed', { cause: e instanceof Error ? e.name : typeof e })
}

/** Reports whether an error is a problem with one of the codes. */
export function isProblem(e: unknown, ...codes: string[]): e is ProblemError {
  return e instanceof ProblemError && (codes.length === 0 || codes.includes(e.problem.code))
}

/** Reads the problem out of the body of a refusal. */
export function parseProblem(status: number, body: string): Problem {
  const p: Problem = { status, code: `http_${status}`, detail: status >= 500 ? '服务暂时不可用，请稍后重试。' : '请求未被接受，请稍后重试。' }
  let members: unknown
  try {
    members = JSON.parse(body)
  } catch {
    return p
  }
  if (typeof members !== 'object' || members === null || Array.isArray(members)) return p
  const m = members as Record<string, unknown>
  return {
    ...m,
    status,
    code: typeof m['code'] === 'string' ? m['code'] : p.code,
    detail: typeof m['detail'] === 'string' ? m['detail'] : p.detail,
  }
}
