// What a person's form accepts, by the rules of internal/realname (person.go):
// both sides are held to internal/realname/testdata/vectors.json. The server's
// word is the last; these spare the user a journey.

/** A name as entered, normalised: 2 to 30 Han characters, · inside; '' if it is none. */
export function cleanName(entered: string): string {
  const name = entered.trim().replace(/[•・‧．]/g, '·')
  const length = [...name].length
  const shape = /^\p{Script=Han}+(?:·\p{Script=Han}+)*$/u
  return length >= 2 && length <= 30 && shape.test(name) ? name : ''
}

/**
 * A resident ID number (公民身份号码) as entered, normalised; '' if it is none.
 * GB 11643-1999: a date of birth that is not in the future, and the check
 * character of ISO 7064 MOD 11-2.
 */
export function cleanIDNumber(entered: string, now: Date = new Date()): string {
  const number = entered.trim().toUpperCase()
  if (!/^[1-9][0-9]{16}[0-9X]$/.test(number)) return ''
  let sum = 0
  for (let i = 0; i < 17; i++) sum += Number(number[i]) * (2 ** (17 - i) % 11)
  if (number[17] !== '10X98765432'[sum % 11]) return ''
  const [year, month, date] = [number.slice(6, 10), number.slice(10, 12), number.slice(12, 14)].map(Number) as [number, number, number]
  const born = new Date(Date.UTC(year, month - 1, date))
  const real = born.getUTCFullYear() === year && born.getUTCMonth() === month - 1 && born.getUTCDate() === date
  // Midnight in China.
  return real && year >= 1900 && born.getTime() - 8 * 3600_000 <= now.getTime() ? number : ''
}

/**
 * A bank card number as entered, normalised: 12 to 19 digits with the check digit
 * of ISO/IEC 7812-1 (Luhn); '' if it is none.
 */
export function cleanBankCard(entered: string): string {
  const number = entered.trim().replace(/[ -]/g, '')
  if (!/^[0-9]{12,19}$/.test(number) || /^0*$/.test(number)) return ''
  let sum = 0
  for (let i = 0; i < number.length; i++) {
    let d = Number(number[number.length - 1 - i])
    if (i % 2 === 1) d = d > 4 ? d * 2 - 9 : d * 2
    sum += d
  }
  return sum % 10 === 0 ? number : ''
}

/** A mobile number of mainland China as entered, normalised to 11 digits; '' if it is none. */
export function cleanPhone(entered: string): string {
  const digits = entered.replace(/[\s-]/g, '').replace(/^\+?86(?=1\d{10}$)/, '')
  return /^1[3-9][0-9]{9}$/.test(digits) ? digits : ''
}

/**
 * What is wrong with a new login password, as a sentence; '' if nothing is. The
 * server knows the common ones besides.
 */
export function passwordFault(password: string, phone = ''): string {
  const length = [...password].length
  if (length < 8) return '密码至少 8 位'
  if (length > 64) return '密码不能超过 64 位'
  if (!/^[!-~]*$/.test(password)) return '密码只能使用字母、数字和英文符号，不能含空格'
  const kinds = [/[0-9]/, /[a-zA-Z]/, /[^0-9a-zA-Z]/].filter((k) => k.test(password)).length
  if (kinds < 2) return '密码须包含字母、数字、符号中的至少两种'
  if (phone && password.includes(phone)) return '密码不能包含手机号'
  return ''
}
