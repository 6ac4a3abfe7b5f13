// The groups of the log.
export const groups = ['全部', '短信', '支付', '核验', '证书', '扫码', '其他'] as const
export type Group = (typeof groups)[number]

const nouns: Record<string, Group> = {
  sms: '短信',
  counter: '支付',
  payment: '支付',
  order: '支付',
  check: '核验',
  realname: '核验',
  certificate: '证书',
  ca: '证书',
  kmc: '证书',
  installation: '证书',
  revocation: '证书',
  redealing: '证书',
  recovery: '证书',
  pin: '证书',
  custody: '证书',
  roaming: '证书',
  scan: '扫码',
  usage: '扫码',
  callback: '扫码',
}

export function groupOf(kind: string): Group {
  return nouns[kind.split('.')[0]!] ?? '其他'
}
