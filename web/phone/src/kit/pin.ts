/** Words and rules of the PIN sheet, apart from its looks. */
import type { Entry, Job } from '@/core'

// The ladder of wrong PINs in a row (docs/domain.md §3.8); the server counts, this
// only tells what comes next.
const STEPS = [
  { at: 5, next: '将锁定 30 分钟' },
  { at: 8, next: '将锁定 24 小时' },
  { at: 10, next: '只能重置 PIN 码' },
] as const
const LAST = 10

/** What a wrong PIN costs: the tries before the next lock, and what that lock is. */
export function wrongPIN(remaining: unknown): { words: string; next: string } {
  if (typeof remaining !== 'number' || remaining < 0 || remaining > LAST) return { words: 'PIN 码错误，请重新输入', next: '' }
  const wrong = LAST - remaining
  const step = STEPS.find((s) => s.at > wrong)
  if (!step) return { words: 'PIN 码错误', next: '' }
  const left = step.at - wrong
  return { words: `PIN 码错误，还可尝试 ${left} 次`, next: left <= 2 ? `再输错 ${left} 次${step.next}` : '' }
}

/** The head of the sheet for an entry of a job. */
export function entryTitle(job: Job, entry: Entry): string {
  const fresh = job.kind === 'setPIN' ? ' PIN 码' : '新 PIN 码'
  switch (entry) {
    case 'old': return '输入原 PIN 码'
    case 'new': return `设置 6 位${fresh}`
    case 'again': return `再次输入${fresh}`
    default: return '输入证书 PIN 码'
  }
}

const WORKING: Record<Job['kind'], string> = {
  setPIN: '正在设置 PIN 码', changePIN: '正在修改 PIN 码', install: '正在安装证书', execute: '正在签名', revoke: '正在吊销证书',
  check: '正在检测', recover: '正在恢复密钥', resume: '正在恢复密钥', transfer: '正在转让管理员', settle: '正在处理',
}

/** What the sheet says while a job runs. */
export function workingTitle(job: Job): string {
  if (job.kind === 'execute' && job.scan.type === 'login') return '正在登录'
  return WORKING[job.kind]
}

/** Jobs whose steps the server keeps: leaving loses nothing. */
export function resumable(job: Job): boolean {
  return job.kind === 'install' || job.kind === 'recover' || job.kind === 'resume'
}

const INSTALL = { proving: '核对 PIN 码', 'making-keys': '生成密钥', requesting: '提交证书申请', delivering: '取回加密密钥', issuing: '签发证书' }
// A re-key tells of each certificate as a whole; its single steps would pass by
// again and again.
const STAGES: Partial<Record<Job['kind'], Record<string, string>>> = {
  setPIN: { 'making-keys': '生成密钥', proving: '核对 PIN 码' },
  changePIN: { proving: '核对原 PIN 码', 'making-keys': '生成新的密钥', refreshing: '更新证书密钥' },
  install: INSTALL,
  recover: { 'making-keys': '设置新 PIN 码', proving: '设置新 PIN 码', certificate: '换发证书', redealing: '取回加密密钥' },
  resume: { proving: '核对 PIN 码', certificate: '换发证书', redealing: '取回加密密钥' },
  check: { sign: '试签名', decrypt: '试解密' },
}

/** A step of a long job in words; empty for one that is not shown. */
export function stageTitle(job: Job, stage: string): string {
  return STAGES[job.kind]?.[stage] ?? ''
}
