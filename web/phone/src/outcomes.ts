import type { IconName } from './kit/icons'

/**
 * The end results of a scanned business (docs/domain.md §1.9) and what the scan
 * gate says (§3.9), in words: one table for records, results and the gate.
 */
export interface OutcomeWords {
  /** The chip of a list; empty for what went well. */
  chip: string
  tone: 'ok' | 'mute' | 'warn' | 'bad'
  /** What happened, in a sentence. */
  text: string
  /** What to do about it. */
  remedy: string
}

const failed = (text: string, remedy: string): OutcomeWords => ({ chip: '失败', tone: 'bad', text, remedy })
const cancelled = (text: string, remedy: string): OutcomeWords => ({ chip: '已取消', tone: 'mute', text, remedy })

const WORDS: Record<string, OutcomeWords> = {
  OK: { chip: '', tone: 'ok', text: '操作成功。', remedy: '' },
  USER_REFUSED: cancelled('您在手机上取消了本次操作。', '如需继续，请在电脑上重新发起。'),
  PLATFORM_CANCELLED: cancelled('交易平台取消了本次操作。', '请回到电脑上查看，需要时重新发起。'),
  TIMEOUT: { chip: '已超时', tone: 'mute', text: '没有在有效时间内确认，本次操作已结束。', remedy: '请扫描电脑上的新码。' },
  WRONG_CODE: failed('验证数字不一致，为保护您的账号已取消。', '请确认电脑上的页面是您自己打开的，再重新扫码。'),
  NO_CERT: failed('当前身份没有可用的证书。', '请先办理证书，再重新扫码。'),
  NOT_ROAMED: failed('证书没有开通该交易平台。', '请为该平台办理证书后再使用。'),
  ROAM_EXPIRED: failed('证书在该交易平台的授权已到期。', '请为该平台办理证书后再使用。'),
  CERT_EXPIRED: failed('证书已过期。', '请新购证书后再使用。'),
  CERT_REVOKED: failed('证书已吊销。', '请新购证书后再使用。'),
  KEY_LOST: failed('证书密钥不在本机。', '请办理补办恢复，约 1 分钟，免费。'),
  PIN_LOCKED: failed('PIN 码已锁定。', '请等待自动解锁，或立即重置 PIN 码。'),
  IDENTITY_MISMATCH: failed('当前身份与交易平台上登录的身份不一致。', '请使用与电脑上相同的身份扫码。'),
  SEAL_NOT_GRANTED: failed('没有使用该印章的授权。', '请联系管理员。'),
  SEAL_VOID: failed('印章已作废。', '请更换印章后再使用。'),
  ENC_KEY_NOT_FOUND: failed('没有找到加密时使用的密钥。', '请联系客服。'),
  PLATFORM_UNKNOWN: failed('该交易平台不在互认目录中。', '请勿继续操作，并核对网址。'),
  PLATFORM_CALLBACK_FAILED: failed('交易平台没有收到结果。', '请在电脑上刷新页面，或联系交易平台。'),
  RISK_BLOCKED: failed('因存在安全风险，本次操作已被拦截。', '如确为您本人操作，请联系客服。'),
  // What only the phone's own gate says.
  CERT_PENDING: failed('证书还没有安装。', '请先安装证书。'),
  CERT_FROZEN: failed('证书已冻结，暂不能使用。', '如需恢复，请联系客服。'),
  PIN_NOT_SET: failed('还没有设置 PIN 码。', '请先设置 PIN 码。'),
  PIN_FACE_REQUIRED: failed('近期 PIN 码输错次数过多。', '请先完成人脸核验。'),
}

/** An outcome in words; one that is not known is a failure. */
export function outcomeWords(outcome: string | undefined): OutcomeWords {
  return WORDS[outcome ?? ''] ?? failed('操作没有完成。', '请重新扫码；仍未成功请联系客服。')
}

interface BusinessWords {
  text: string
  icon: IconName
}

const BUSINESS: Record<string, BusinessWords> = {
  login: { text: '登录', icon: 'login' },
  sign: { text: '签名', icon: 'sign' },
  install: { text: '安装证书', icon: 'download' },
  rekey: { text: '补办恢复', icon: 'pin' },
  revoke: { text: '吊销证书', icon: 'minus' },
  check: { text: '检测', icon: 'shield' },
}

/** A business in words, with its icon. */
export function businessWords(business: string): BusinessWords {
  return BUSINESS[business] ?? { text: '证书操作', icon: 'certificate' }
}
