// Owns the hostile start signals of bar 7: what, how it is sent, and what the refusal must name. Every value
// carries the word CANARY, so that one search through Vault's raw audit log shows that none got there.

export const CANARY = 'zqx';

export type HostileCall = {
  name: string;
  method: string;
  /** The request target, byte for byte. */
  path: string;
  body?: string | Buffer;
  /** The refusal's `detail` must match. */
  names: RegExp;
  /** 400 unless said. */
  status?: number;
};

const start = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));
const fine = { profile: 'chosen-path', params: { customer: CANARY } };

/** Ids as they stand in the request target. */
const IDS = [
  ...[
    '',
    '.',
    '..',
    '%2e',
    '%2E%2E',
    '%2e%2e',
    '..%2f..',
    'zqx%2fy',
    'zqx%2Fy',
    'zqx%5cy',
    'zqx/../y',
    'zqx//y',
  ],
  ...['-zqx', '_zqx', '.zqx', '~zqx', '$zqx', 'zqx%20y', 'zqx%00', 'zqx%0a', 'zqx%0d%0aX-Evil:%201', 'zqx*'],
  ...[
    'zqx+',
    'zqx%3fx=1',
    'zqx%23y',
    'zqx#y',
    'zqx%',
    'zqx%zz',
    'zqx%c0%ae',
    'zqx%ff',
    'zqx;y',
    'zqx&y',
    'zqx=y',
  ],
  ...['zqx@y', 'zqx:y', "zqx'y", 'zqx%22y', 'zqx%3cy', 'zqx%e2%80%ae', 'zqx{{task.id}}', 'zqx%252e'],
  ...[`zqx${'a'.repeat(126)}`, `zqx${'a'.repeat(5000)}`],
];

/** Values of a parameter that would become a path segment. */
const VALUES = [
  ...[
    '',
    '.',
    '..',
    '../zqx',
    'zqx/..',
    'zqx/y',
    '/zqx',
    'zqx%2e%2e',
    'zqx%2fy',
    'zqx%00',
    'zqx?y',
    'zqx#y',
    'zqx*',
  ],
  ...[
    'zqx+',
    '+',
    '*',
    'zqx\n',
    '\nzqx',
    'zqx\r\ny',
    'zqx\0',
    'zqx y',
    'zqx\ty',
    'zqx\\y',
    'a..zqx',
    'zqx..',
  ],
  ...[
    'zqx{{task.id}}',
    'zqx\u00e9',
    'zqx\u202e',
    'zqx\uff0ey',
    'zqx&y',
    'zqx"',
    "zqx'",
    'zqx|y',
    'zqx;y',
    '$(zqx)',
  ],
  ...['`zqx`', '<zqx>', 'zqx!', `zqx${'a'.repeat(253)}`],
];

const WRONG_TYPES = [1, 1.5, true, null, [], ['zqx'], {}, { zqx: 1 }];

/** Whole bodies, with what the refusal must name. */
const BODIES: [name: string, body: string | Buffer, names: RegExp, status?: number][] = [
  ['no body', '', /body/i],
  ['null', 'null', /body|object/i],
  ['a list', '[]', /body|object/i],
  ['a string', '"zqx"', /body|object/i],
  ['a number', '1', /body|object/i],
  ['half an object', '{"profile":"chosen-path"', /JSON/i],
  ['a form', 'profile=chosen-path', /JSON/i],
  ['something after it', `${start(fine)} {}`, /JSON/i],
  ['a final comma', '{"profile":"chosen-path",}', /JSON/i],
  ['single quotes', "{'profile':'chosen-path'}", /JSON/i],
  ['a comment', '{"profile":"chosen-path"/*zqx*/}', /JSON/i],
  ['NaN', '{"profile":NaN}', /JSON/i],
  ['invalid UTF-8', Buffer.from([...Buffer.from('{"profile":"zqx'), 0xff, 0xfe, 0x22, 0x7d]), /UTF-8|JSON/i],
  ['a lone surrogate', '{"profile":"zqx\\ud800"}', /profile/],
  ['a duplicate key', '{"profile":"chosen-path","profile":"database"}', /profile/],
  ['an escaped duplicate key', '{"profile":"chosen-path","prof\\u0069le":"database"}', /profile/],
  [
    'a nested duplicate key',
    '{"profile":"chosen-path","params":{"customer":"zqx","customer":"zqy"}}',
    /customer/,
  ],
  ['an unknown key', start({ ...fine, ttl: '10m' }), /ttl/],
  ['another case', start({ ...fine, Profile: 'zqx' }), /Profile/],
  ['__proto__', '{"profile":"chosen-path","__proto__":{"admin":true}}', /__proto__/],
  ['constructor', '{"profile":"chosen-path","constructor":{}}', /constructor/],
  ['lists in lists', `${'['.repeat(20_000)}${']'.repeat(20_000)}`, /body|object|deep|nest/i],
  ['64 KiB of brackets', '['.repeat(65_536), /JSON/],
  ['33 lists in lists', `{"params":${'['.repeat(32)}${']'.repeat(32)}}`, /nested deeper than 8/],
  [
    'objects in objects',
    `{"params":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
    /params|deep|nest|profile/i,
  ],
  ['a deep profile', `{"profile":${'['.repeat(9_000)}${']'.repeat(9_000)}}`, /profile|deep|nest/i],
  [
    'over 64 KiB',
    start({ ...fine, params: { customer: `zqx${'a'.repeat(66_000)}` } }),
    /64 ?KiB|65536/i,
    413,
  ],
  ['blanks over 64 KiB', `${start(fine)}${' '.repeat(66_000)}`, /64 ?KiB|65536/i, 413],
  ['no profile', '{}', /profile/],
  ['a profile that is a path', start({ profile: '../zqx' }), /profile/],
  ['a profile with a newline', start({ profile: 'database\n' }), /profile/],
  ['an empty profile', start({ profile: '' }), /profile/],
  ['an unknown profile', start({ profile: 'zqx' }), /zqx/, 404],
  ['a profile of Object', start({ profile: 'constructor' }), /constructor/, 404],
  ...[1, null, true, {}, []].map((profile): [string, string, RegExp] => [
    `profile ${JSON.stringify(profile)}`,
    start({ profile }),
    /profile/,
  ]),
  ...['zqx', '-1s', '0s', '', '1s1', '999h', '1e3s', ' 1s', 10, null, {}].map(
    (duration): [string, string, RegExp] => [
      `duration ${JSON.stringify(duration)}`,
      start({ ...fine, duration }),
      /duration/,
    ],
  ),
  ...['zqx', 'tomorrow', '2020-01-01T00:00:00Z', '9999-01-01T00:00:00Z', '2026-13-01T00:00:00Z', 0, null].map(
    (deadline): [string, string, RegExp] => [
      `deadline ${JSON.stringify(deadline)}`,
      start({ ...fine, deadline }),
      /deadline/,
    ],
  ),
  ['both', start({ ...fine, duration: '1m', deadline: '2099-01-01T00:00:00Z' }), /deadline|duration/],
  ...[
    'zqx',
    1,
    null,
    [],
    {},
    { type: 'pull_request' },
    { type: '', id: '' },
    { type: 'deploy', id: 'zqx' },
  ].map((event): [string, string, RegExp] => [
    `event ${JSON.stringify(event)}`,
    start({ ...fine, event }),
    /event|\btype\b|\bid\b/,
  ]),
  ['an event with a newline', start({ ...fine, event: { type: 'pull_request', id: 'zqx\ny' } }), /event/],
  ['an event with more', start({ ...fine, event: { type: 'pull_request', id: 'zqx', by: 'me' } }), /\bby\b/],
  ...[
    ...[
      {},
      { pid: 0 },
      { pid: -1 },
      { pid: 1.5 },
      { pid: '1' },
      { pid: null },
      { pid: 2 ** 53 },
      { pid: [1] },
    ],
    ...[{ pid: 1, connection: true }, { connection: false }, { socket: 'zqx' }, 'zqx', 1, []],
  ].map((bind): [string, string, RegExp] => [
    `bind ${JSON.stringify(bind)}`,
    start({ ...fine, bind }),
    /bind|pid|connection|socket/,
  ]),
  ...WRONG_TYPES.filter((params) => JSON.stringify(params) !== '{}').map(
    (params): [string, string, RegExp] => [
      `params ${JSON.stringify(params)}`,
      start({ profile: 'chosen-path', params }),
      /params|zqx/,
    ],
  ),
  ['no params', start({ profile: 'chosen-path' }), /customer/],
  ['another param', start({ ...fine, params: { customer: CANARY, admin: 'zqx' } }), /admin/],
  [
    'a __proto__ param',
    '{"profile":"chosen-path","params":{"customer":"zqx","__proto__":"zqx"}}',
    /__proto__/,
  ],
  [
    'a constructor param',
    start({ ...fine, params: { customer: CANARY, constructor: 'zqx' } }),
    /constructor/,
  ],
  ['a param off its pattern', start({ ...fine, params: { customer: CANARY, note: 'zqx1' } }), /note/],
  ['a param and a newline', start({ ...fine, params: { customer: CANARY, note: 'zqx\n' } }), /note/],
  ['a param off its enum', start({ profile: 'key-value', params: { env: 'zqx' } }), /env/],
  ['an enum in another case', start({ profile: 'key-value', params: { env: 'PROD' } }), /env/],
  ['an enum and a newline', start({ profile: 'key-value', params: { env: 'prod\n' } }), /env/],
];

/** Calls that do not exist, or not like this. */
const CALLS: [method: string, path: string, names: RegExp, status: number, body?: string][] = [
  ['GET', '/', /\//, 404],
  ['GET', '/v1', /v1/, 404],
  ['GET', '/v2/tasks', /v2/, 404],
  ['GET', '/v1/zqx', /zqx/, 404],
  ['GET', '/v1/tasks/zqx/nope', /nope/, 404],
  ['GET', '/v1/../v1/tasks', /\.\./, 404],
  ['GET', '//v1/tasks', /v1/, 404],
  ['GET', '/V1/tasks', /V1/, 404],
  ['GET', '/v1/tasks/zqx', /zqx/, 404],
  ['DELETE', '/v1/tasks/zqx', /zqx/, 404],
  ['GET', '/v1/tasks/zqx/receipt', /zqx/, 404],
  ['GET', '/v1/tasks/zqx/events', /zqx/, 404],
  ['GET', '/v1/tasks/%2e%2e/receipt', /task|\.\./, 400],
  ['POST', '/v1/tasks/zqx', /POST/, 405],
  ['PATCH', '/v1/tasks/zqx', /PATCH/, 405],
  ['PUT', '/v1/tasks', /PUT/, 405, '{}'],
  ['PUT', '/v1/health', /PUT/, 405, '{}'],
  ['DELETE', '/v1/metrics', /DELETE/, 405],
  ['POST', '/v1/events', /POST/, 405, '{}'],
  ['DELETE', '/v1/tasks', /event/, 400],
  ['DELETE', '/v1/tasks?event=', /event/, 400],
  ['DELETE', '/v1/tasks?event=zqx', /event/, 400],
  ['DELETE', '/v1/tasks?event=%00:zqx', /event/, 400],
  ['POST', '/v1/drain', /admin/, 403],
  ['POST', '/v1/revoke-all', /admin/, 403],
  ['POST', '/v1/tasks/zqx/approval', /admin/, 403, '{"approve":true}'],
  ['POST', '/v1/tasks/zqx/abandon', /admin/, 403, '{"reason":"zqx"}'],
];

const printable = (text: string): string => {
  const shown = JSON.stringify(text);
  return shown.length > 60 ? `${shown.slice(0, 50)}… (${text.length})` : shown;
};

const put = (name: string, body: string | Buffer, names: RegExp, status = 400): HostileCall => ({
  name,
  method: 'PUT',
  path: '/v1/tasks/hostile',
  body,
  names,
  status,
});

export const HOSTILE_CALLS: HostileCall[] = [
  ...IDS.map(
    (id): HostileCall => ({
      name: `task id ${printable(id)}`,
      method: 'PUT',
      path: `/v1/tasks/${id}`,
      body: start(fine),
      names: /task id|\/v1\/tasks|path|target|PUT|too long|call/i,
      // Some are no task id, others no such call: both are refusals.
      status: 0,
    }),
  ),
  ...VALUES.map((customer) =>
    put(`params.customer ${printable(customer)}`, start({ ...fine, params: { customer } }), /customer/),
  ),
  ...WRONG_TYPES.map((customer) =>
    put(
      `params.customer of another type: ${JSON.stringify(customer)}`,
      start({ ...fine, params: { customer } }),
      /customer/,
    ),
  ),
  ...BODIES.map(([name, body, names, status]) => put(`body: ${name}`, body, names, status)),
  // Right for the call, wrong for the path that it would enter.
  {
    name: 'a task id that would be two dots in a path',
    method: 'PUT',
    path: '/v1/tasks/zqx..y',
    body: start(fine),
    names: /task/i,
  },
  ...CALLS.map(
    ([method, path, names, status, body]): HostileCall => ({
      name: `${method} ${path}`,
      method,
      path,
      names,
      status,
      ...(body === undefined ? {} : { body }),
    }),
  ),
];

/** Bytes that are no proper HTTP; a refusal is a 4xx, or to hang up. */
export const HOSTILE_BYTES: Record<string, string | Buffer> = {
  'no HTTP': Buffer.from([0, 1, 2, 0xff, 0xfe, 13, 10, 13, 10]),
  'a blank in the path': 'GET /v1/tasks zqx HTTP/1.1\r\nHost: a\r\n\r\n',
  'a newline in the path': 'PUT /v1/tasks/zqx\ny HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}',
  'HTTP/9.9': 'GET /v1/tasks HTTP/9.9\r\nHost: a\r\n\r\n',
  'no Host': 'GET /v1/tasks HTTP/1.1\r\n\r\n',
  'two lengths': 'PUT /v1/tasks/zqx HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}',
  'length and chunks':
    'PUT /v1/tasks/zqx HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
  'a negative length': 'PUT /v1/tasks/zqx HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n',
  'a control character in a header': 'GET /v1/tasks HTTP/1.1\r\nHost: a\r\nX: \u0001\r\n\r\n',
  'a header of 100 kB': `GET /v1/tasks HTTP/1.1\r\nHost: a\r\nX: ${'a'.repeat(100_000)}\r\n\r\n`,
  'a target of 100 kB': `GET /v1/tasks/${'a'.repeat(100_000)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  'an absolute target': 'GET http://zqx/v1/../etc HTTP/1.1\r\nHost: a\r\n\r\n',
  TRACE: 'TRACE /v1/tasks HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  CONNECT: 'CONNECT zqx:443 HTTP/1.1\r\nHost: a\r\n\r\n',
  'OPTIONS *': 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  'chunks over 64 KiB': `PUT /v1/tasks/zqx HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n${`4000\r\n${' '.repeat(0x4000)}\r\n`.repeat(5)}0\r\n\r\n`,
};
