/** The token of an invitation's link, kept for this tab over login and real-name (M§2.4.2). */
const KEY = 'twt-invitation'

/** The token in the fragment of a link (/i#t=…); undefined if there is none. */
export function invitationToken(hash: string): string | undefined {
  return /^#t=([A-Za-z0-9_-]{8,60})$/.exec(hash)?.[1]
}

export function keepInvitation(token: string) {
  try {
    sessionStorage.setItem(KEY, token)
  } catch {
    // Then the link has to be opened again.
  }
}

export function keptInvitation(): string | undefined {
  try {
    return sessionStorage.getItem(KEY) ?? undefined
  } catch {
    return undefined
  }
}

export function forgetInvitation() {
  try {
    sessionStorage.removeItem(KEY)
  } catch {
    // Nothing was kept.
  }
}
