/**
 * The app's one Trusted Types policy: it turns addresses of this origin into
 * script addresses for workers and the service worker, and makes nothing else.
 */
interface Policy {
  createScriptURL(url: string): string
}
interface Factory {
  createPolicy(name: string, rules: { createScriptURL: (url: string) => string }): Policy
}

function sameOrigin(url: string): string {
  const u = new URL(url, self.location.origin)
  if (u.origin !== self.location.origin) throw new TypeError('a script of another origin')
  return u.href
}

const factory = (globalThis as { trustedTypes?: Factory }).trustedTypes
// A policy's name serves once: this module is the only place that makes it.
const policy: Policy = factory ? factory.createPolicy('twt', { createScriptURL: sameOrigin }) : { createScriptURL: sameOrigin }

/** A script's address of this origin, as new Worker and register want it. */
export function scriptURL(url: string): string {
  return policy.createScriptURL(url)
}
