// Owns how values stand in a URL (RFC 3986 §2): all but unreserved characters percent-encoded, as UTF-8.

export const encoded = (text: string): string =>
  encodeURIComponent(text).replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`);

/** `host:port`; an IPv6 address in brackets (RFC 3986 §3.2.2). */
export const authority = (host: string, port: number | undefined): string =>
  `${host.includes(':') ? `[${host}]` : host}${port === undefined ? '' : `:${port}`}`;
