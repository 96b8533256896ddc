// Owns the request for an issuer's keys. Invariant: one GET to the URL of the profile and to no other (no redirects), at
// most 256 KiB and 5 s; what comes is JSON or nothing.

const MAX_BYTES = 256 * 1024;
const LIMIT_MS = 5000;

/** The body, as JSON. @throws Error that says in a few words what is wrong */
export async function fetchJson(uri: string, ca?: Buffer): Promise<unknown> {
  const { get } = uri.startsWith('https:') ? await import('node:https') : await import('node:http');
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const request = get(uri, {
    agent: false,
    headers: { accept: 'application/jwk-set+json, application/json', 'user-agent': 'tasklease' },
    minVersion: 'TLSv1.2',
    ...(ca === undefined ? {} : { ca }),
  });
  // The whole exchange: a server that sends a byte now and then must not hold it open.
  const limit = setTimeout(() => request.destroy(new Error('it did not answer within 5 s')), LIMIT_MS);
  request.on('error', reject);
  request.on('response', (response) => {
    if (response.statusCode !== 200) request.destroy(new Error(`it answered ${response.statusCode}`));
    const chunks: Buffer[] = [];
    let size = 0;
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BYTES) request.destroy(new Error('its answer is longer than 256 KiB'));
      else chunks.push(chunk);
    });
    response.on('error', reject);
    response.on('aborted', () => reject(new Error('its answer broke off')));
    response.on('end', () => resolve(Buffer.concat(chunks)));
  });
  try {
    return JSON.parse((await promise).toString('utf8'));
  } catch (error) {
    throw error instanceof SyntaxError ? new Error('its answer is no JSON') : error;
  } finally {
    clearTimeout(limit);
    request.destroy();
  }
}
