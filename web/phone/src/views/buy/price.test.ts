import { expect, test } from 'vitest'
import { quotes } from './price'

const institution = (prices: { kind: 'certificate' | 'roaming'; years: number; fen: number }[]) => ({ code: '1', name: '某 CA', prices })

test('terms come shortest first, each beside what its years cost one by one', () => {
  const got = quotes(institution([{ kind: 'certificate', years: 3, fen: 48_000 }, { kind: 'roaming', years: 1, fen: 6_000 }, { kind: 'certificate', years: 1, fen: 20_000 }]))
  expect(got).toEqual([
    { years: 1, total: 20_000, perYear: 20_000, full: 20_000 },
    { years: 3, total: 48_000, perYear: 20_000, full: 60_000 },
  ])
})

test('a CA that sells no single year names no price per year and no discount', () => {
  expect(quotes(institution([{ kind: 'certificate', years: 2, fen: 36_000 }]))).toEqual([{ years: 2, total: 36_000, perYear: undefined, full: undefined }])
})

test('a CA without prices sells nothing', () => {
  expect(quotes({ code: '1', name: '某 CA', prices: null })).toEqual([])
})
