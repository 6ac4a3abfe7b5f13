// What an enterprise's form accepts, by the rules of internal/enterprise (code.go):
// both sides are held to internal/enterprise/testdata/vectors.json. The server's
// word is the last; these spare the user a journey.

/** The characters of a code, each worth its place: no I, O, S, V, Z (GB 32100-2015 §5). */
const ALPHABET = '0123456789ABCDEFGHJKLMNPQRTUWXY'

/**
 * A unified social credit code (统一社会信用代码) as entered, normalised; '' if it is
 * none. GB 32100-2015: 18 characters, the last checks the others (weights 3^i mod 31).
 */
export function cleanCode(entered: string): string {
  const code = entered.replace(/[\s-]/g, '').toUpperCase()
  if (!/^[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}$/.test(code)) return ''
  let sum = 0
  for (let i = 0, weight = 1; i < 17; i++, weight = (weight * 3) % 31) sum += ALPHABET.indexOf(code[i]!) * weight
  return code[17] === ALPHABET[(31 - (sum % 31)) % 31] ? code : ''
}

/** The characters that stay when a code is typed or pasted. */
export const CODE_CHARACTER = /[0-9A-HJ-NPQRTUWXY]/

/** An enterprise's name as entered, normalised: 4 to 100 characters of a registered name; '' if it is none. */
export function cleanEnterpriseName(entered: string): string {
  const name = entered.trim().replace(/\(/g, '（').replace(/\)/g, '）').replace(/[•・‧．]/g, '·').replace(/\s+/g, ' ')
  const length = [...name].length
  return length >= 4 && length <= 100 && /\p{Script=Han}/u.test(name) && !/[\p{Cc}<>]/u.test(name) ? name : ''
}
