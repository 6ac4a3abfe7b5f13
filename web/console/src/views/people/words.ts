/** How what belongs to accounts and enterprises is put into words. */
export const roleWords: Record<string, string> = { administrator: '管理员', member: '成员', former: '已离开' }
export const viaWords: Record<string, string> = { created: '创建企业', applied: '申请加入', invited: '受邀加入' }
export const certificateStates: Record<string, string> = {
  pending: '待安装', valid: '有效', key_lost: '密钥丢失', frozen: '已冻结', expired: '已过期', revoked: '已吊销', replaced: '已更新', cancelled: '已取消',
}
export const certificateTones: Record<string, 'success' | 'warning' | 'danger' | 'info'> = { pending: 'warning', valid: 'success', key_lost: 'danger', frozen: 'warning', revoked: 'danger' }
