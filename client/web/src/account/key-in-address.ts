/**
 * A secret key that came in the page's address, behind the `#`, as a QR code of another device has it. Browsers don't
 * send that part. It is taken out of the address at once, so that it stays neither on the screen nor in the history.
 */
export function takeKeyFromAddress(): string | undefined {
  const key = /^#(nsec1[a-z0-9]+)$/.exec(location.hash)?.[1]
  if (key !== undefined) history.replaceState(null, '', location.pathname + location.search)
  return key
}
