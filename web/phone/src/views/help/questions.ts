/** The questions that users ask most, with answers that hold for this app. */
export interface Question {
  /** For /help?q=… */
  id: string
  ask: string
  answer: string[]
  to?: { path: string; text: string }
  /** The link works without a login. */
  open?: boolean
}

export const QUESTIONS: { title: string; questions: Question[] }[] = [
  {
    title: '登录与账号',
    questions: [
      {
        id: 'sms', ask: '收不到短信验证码怎么办？',
        answer: ['请核对手机号，查看「拦截短信」；信号不好时会晚到，请等 1 分钟后再重新获取。', '今日次数用完的，可换用手机网络、使用登录密码，或次日再试。'],
      },
      { id: 'password', ask: '忘记登录密码怎么办？', answer: ['可以直接用短信验证码登录，也可以用短信验证码重置密码。'], to: { path: '/password/reset', text: '重置密码' }, open: true },
      {
        id: 'phone', ask: '换了新手机怎么办？',
        answer: ['在新手机上登录同一手机号，按提示办理「补办恢复」：短信验证码和本人人脸核验通过后，设置新的 PIN 码，证书密钥会在新手机上重新生成，免费。'], to: { path: '/recover', text: '补办恢复' },
      },
      { id: 'lost', ask: '手机丢了怎么办？', answer: ['没有您的 PIN 码，他人无法用您的证书签名。请尽快在另一部手机上登录并办理补办恢复，旧手机上的密钥随即作废；也可以联系客服。'], to: { path: '/recover', text: '补办恢复' } },
    ],
  },
  {
    title: '实名认证',
    questions: [
      {
        id: 'realname', ask: '实名认证不通过怎么办？',
        answer: ['手机三要素不通过：手机号须由本人在运营商实名办理；可改用银行卡四要素，银行预留手机号须与登录手机号一致。', '人脸不通过：请由本人在光线充足处正对镜头，摘下口罩和墨镜。每日可尝试 5 次。'], to: { path: '/realname', text: '个人实名' },
      },
      {
        id: 'camera', ask: '摄像头打不开怎么办？',
        answer: ['iPhone：「设置 › Safari 浏览器 › 相机」选择允许；已添加到主屏幕的，在「设置 › 天威通」中打开。', '安卓：点地址栏左侧的图标 › 权限 › 相机 › 允许。', '在微信等应用内打开的，请点右上角菜单，选择「在浏览器打开」。'],
      },
      { id: 'face', ask: '人脸视频会被保存吗？', answer: ['不会。视频直接转交核验机构比对，核验结束即清除，天威通不保存。'], to: { path: '/agreements/face', text: '人脸信息处理规则' }, open: true },
    ],
  },
  {
    title: '证书与使用',
    questions: [
      { id: 'install', ask: '付款后为什么还不能用？', answer: ['付款后还要在手机上「安装」证书：设置 PIN 码并生成密钥，约 20 秒。未完成的可继续，不会重复扣费。'], to: { path: '/certificates', text: '证书管理' } },
      { id: 'pin', ask: '忘记 PIN 码或被锁定怎么办？', answer: ['锁定期间可用本人人脸自助解锁；忘记的，用短信验证码和人脸核验重新设置。PIN 码不保存在服务器，任何人都无法替您查询。'], to: { path: '/pin', text: 'PIN 码管理' } },
      { id: 'key', ask: '提示「本机找不到证书密钥」怎么办？', answer: ['清除浏览器数据、长期未打开或更换手机后可能出现。办理补办恢复即可，免费，约 1 分钟；请把天威通添加到主屏幕并经常使用，可减少这种情况。'], to: { path: '/recover', text: '补办恢复' } },
      { id: 'qr', ask: '扫码提示不是互认平台的二维码？', answer: ['请确认网址是真正的交易平台，并使用平台登录页上的「手机证书」二维码。微信、支付宝等其他二维码不能使用。'] },
      { id: 'deadline', ask: '开标前要注意什么？', answer: ['请至少提前一天扫码登录一次平台，并在「证书管理 › 检测」中确认证书可用；不要在截止前清除浏览器数据或更换手机。'], to: { path: '/certificates', text: '证书管理' } },
    ],
  },
]
