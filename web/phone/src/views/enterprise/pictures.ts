/** What the phone itself refuses to send, as a sentence; '' if nothing. The server looks at the picture. */
export function pictureFault(file: { type: string; size: number; name: string }): string {
  if (/\.(heic|heif)$/i.test(file.name) || /hei[cf]/.test(file.type)) return '暂不支持 HEIC 格式，请改用 JPG 或 PNG 图片，或直接拍照'
  if (!['image/jpeg', 'image/png'].includes(file.type)) return '只支持 JPG 或 PNG 图片，请重新选择，或直接拍照'
  if (file.size > 10 << 20) return '图片不能超过 10 MB，请重新拍照或压缩后再选'
  if (file.size === 0) return '图片是空的，请重新选择'
  return ''
}
