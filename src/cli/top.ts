// Owns `tasklease top`: a live view on a terminal, a table where there is none to draw on. Invariant: however it ends, the
// terminal is as it was; an agent that goes away is said to be away and looked for again.

import { adminSocketPath, parse, readDuration, socketPath } from './args.ts';
import { type Client, connect } from './client.ts';
import { type Command, Exit } from './command.ts';
import { AgentUnreachable } from './failure.ts';
import { print } from './output.ts';
import { frame, roomFor, type Seen, shown, table, type View } from './top-frame.ts';
import { look } from './top-look.ts';

const usage = `Usage: tasklease top [options]

Watch the agent: tasks with their age, deadline, leases and state, the revocations that are pending, and Vault. On the
admin socket, where you may use it, everyone's tasks; else your own. Without a terminal to draw on (a pipe, TERM=dumb)
it prints one table and ends.

Examples:
  tasklease top
  tasklease top --once --filter report-read

Keys: q quit, a all tasks, s stopping, d degraded, w waiting for approval, / filter by a word, arrows and page keys
scroll, p pause

Options:
  --once               print one table and end
  --filter WORD        only tasks with this word in id, profile, event, state or reason
  --interval D         how often to look (default 2s)
  --socket PATH        the agent's socket; else TASKLEASE_ADMIN_SOCKET or the admin socket where it can be used, else
                       TASKLEASE_SOCKET, else /run/tasklease/agent.sock
  -h, --help           this text

Exit code: 0 ok, 1 refused or failed, 2 usage, 3 agent not reachable
`;

export const command: Command = {
  usage,
  async run(args) {
    const { values } = parse('top', args, {
      once: { type: 'boolean', default: false },
      filter: { type: 'string', default: '' },
      interval: { type: 'string', default: '2s' },
      socket: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    });
    const everyMs = Math.max(200, readDuration('--interval', values.interval).ms);
    const { stdin, stdout } = process;
    const live = !values.once && stdin.isTTY && stdout.isTTY && process.env.TERM !== 'dumb';
    const [client, first] = await reach(values.socket);
    if (!live) {
      print(table(first, null, values.filter).join('\n'));
      return Exit.ok;
    }
    await new Screen(client, first, values.filter, everyMs).run();
    return Exit.ok;
  },
};

/** The admin socket where it can be used and nobody named another; else the workloads'. @throws AgentUnreachable */
async function reach(option: string | undefined): Promise<[Client, Seen]> {
  if (option === undefined || option === '') {
    try {
      const admin = connect(adminSocketPath(undefined));
      return [admin, await look(admin, true)];
    } catch (error) {
      if (!(error instanceof AgentUnreachable)) throw error;
    }
  }
  const client = connect(socketPath(option));
  return [client, await look(client, option !== undefined && /(?:^|\/)admin\.sock$/.test(option))];
}

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const STATES: Readonly<Record<string, string | null>> = {
  a: null,
  s: 'stopping',
  d: 'degraded',
  w: 'pending_approval',
};

class Screen {
  readonly #client: Client;
  readonly #everyMs: number;
  readonly #over = Promise.withResolvers<void>();
  #seen: Seen;
  #view: View;
  #timer: NodeJS.Timeout | undefined;

  constructor(client: Client, seen: Seen, filter: string, everyMs: number) {
    this.#client = client;
    this.#seen = seen;
    this.#everyMs = everyMs;
    const { columns: width = 80, rows: height = 24 } = process.stdout;
    this.#view = { width, height, state: null, filter, typing: false, paused: false, offset: 0, away: null };
  }

  async run(): Promise<void> {
    const { stdin, stdout } = process;
    const resized = () => this.#change({ width: stdout.columns, height: stdout.rows });
    const keys = (chunk: Buffer) => this.#keys(chunk.toString('utf8'));
    const end = () => this.#over.resolve();
    stdout.write(ENTER);
    stdin.setRawMode(true);
    stdin.on('data', keys).on('end', end).resume();
    stdout.on('resize', resized).on('error', end);
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end);
    try {
      this.#draw();
      this.#wait();
      await this.#over.promise;
    } finally {
      clearTimeout(this.#timer);
      this.#client.close();
      stdin.off('data', keys).setRawMode(false);
      stdin.pause();
      stdout.off('resize', resized);
      stdout.write(LEAVE);
    }
  }

  #wait(): void {
    this.#timer = setTimeout(() => void this.#look(), this.#everyMs);
  }

  async #look(): Promise<void> {
    if (!this.#view.paused) {
      try {
        this.#seen = await look(this.#client, this.#seen.everybody);
        this.#view = { ...this.#view, away: null };
      } catch (error) {
        const away = error instanceof AgentUnreachable ? 'the agent cannot be reached' : String(error);
        this.#view = { ...this.#view, away: `${away}; trying again` };
      }
      this.#change({});
    }
    this.#wait();
  }

  #keys(text: string): void {
    // A key is one character, or a sequence that begins with escape.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how terminals say which key it was
    for (const [key] of text.matchAll(/\u001b(?:\[[0-9;]*[A-Za-z~]|O[A-Z])?|[\s\S]/gu)) this.#key(key);
  }

  #key(key: string): void {
    if (key === '\u0003') return this.#over.resolve();
    if (this.#view.typing) return this.#typed(key);
    const page = roomFor(this.#view.height);
    const scroll: Readonly<Record<string, number>> = {
      ...{ '\u001b[A': -1, '\u001bOA': -1, k: -1, '\u001b[B': 1, '\u001bOB': 1, j: 1 },
      ...{ '\u001b[5~': -page, '\u001b[6~': page, '\u001b[H': -1e9, '\u001b[F': 1e9 },
    };
    if (key === 'q') return this.#over.resolve();
    if (key === '/') return this.#change({ typing: true, filter: '', offset: 0 });
    if (key === 'p' || key === ' ') return this.#change({ paused: !this.#view.paused });
    if (key === '\u001b') return this.#change({ filter: '', state: null, offset: 0 });
    if (Object.hasOwn(STATES, key)) return this.#change({ state: STATES[key]!, offset: 0 });
    if (Object.hasOwn(scroll, key)) this.#change({ offset: this.#view.offset + scroll[key]! });
  }

  #typed(key: string): void {
    const { filter } = this.#view;
    if (key === '\r' || key === '\n') return this.#change({ typing: false });
    if (key === '\u001b') return this.#change({ typing: false, filter: '' });
    if (key === '\u007f' || key === '\b') return this.#change({ filter: [...filter].slice(0, -1).join('') });
    if (key >= ' ' && !key.startsWith('\u001b')) this.#change({ filter: filter + key });
  }

  #change(change: Partial<View>): void {
    const view = { ...this.#view, ...change };
    const last = Math.max(0, shown(this.#seen, view).length - roomFor(view.height));
    this.#view = { ...view, offset: Math.min(last, Math.max(0, view.offset)) };
    this.#draw();
  }

  #draw(): void {
    const lines = frame(this.#seen, this.#view);
    // Over what is there, without a flicker; the last line has no end, or the terminal would scroll.
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`);
  }
}
