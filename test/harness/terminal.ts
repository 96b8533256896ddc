// Owns a real terminal for a command: a pseudo-terminal of a given size, keys in, the last whole frame out. Invariant: what
// the command leaves behind on the terminal is known to the test.

import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Runs argv on a pty; each line of stdin is JSON text to be typed, each line of stdout JSON text that was shown. */
const DRIVER = `
import fcntl, json, os, pty, select, signal, struct, sys, termios, threading
width, height = int(sys.argv[1]), int(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    os.execvp(sys.argv[3], sys.argv[3:])
def size(w, h):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", h, w, 0, 0))
size(width, height)
def keys():
    for line in sys.stdin:
        word = json.loads(line)
        if isinstance(word, list): size(*word)
        else: os.write(fd, word.encode())
threading.Thread(target=keys, daemon=True).start()
text = b""
while True:
    try: chunk = os.read(fd, 65536)
    except OSError: break
    if not chunk: break
    print(json.dumps(chunk.decode("utf8", "replace")), flush=True)
attributes = termios.tcgetattr(fd)[3]
_, status = os.waitpid(pid, 0)
print(json.dumps({"code": os.waitstatus_to_exitcode(status), "echo": bool(attributes & termios.ECHO), "canonical": bool(attributes & termios.ICANON)}), flush=True)
`;

// biome-ignore lint/suspicious/noControlCharactersInRegex: sequences of the terminal are what is taken out
const SEQUENCE = /\u001b\[[0-9;]*[mK]/g;

export interface TerminalEnd {
  readonly code: number;
  /** The terminal shows what is typed, and hands it over line by line, as before. */
  readonly echo: boolean;
  readonly canonical: boolean;
}

export interface Terminal {
  type(keys: string): void;
  resize(width: number, height: number): void;
  /** Everything that was written to it. */
  raw(): string;
  /** The lines of the last whole frame, without colours. */
  screen(): string[];
  readonly ended: Promise<TerminalEnd>;
  kill(): void;
}

export function terminal(
  argv: readonly string[],
  { width = 80, height = 24, env = {} }: { width?: number; height?: number; env?: NodeJS.ProcessEnv } = {},
): Terminal {
  const child: ChildProcess = spawn('python3', ['-c', DRIVER, String(width), String(height), ...argv], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TERM: 'xterm-256color', ...env },
  });
  let raw = '';
  const { promise: ended, resolve, reject } = Promise.withResolvers<TerminalEnd>();
  createInterface({ input: child.stdout! }).on('line', (line) => {
    const said = JSON.parse(line) as string | TerminalEnd;
    if (typeof said === 'string') raw += said;
    else resolve(said);
  });
  child.on('exit', (code) => reject(new Error(`the terminal ended with ${code}`)));
  ended.catch(() => {});
  const send = (value: unknown): void => void child.stdin!.write(`${JSON.stringify(value)}\n`);
  return {
    type: send,
    resize: (w, h) => send([w, h]),
    raw: () => raw,
    screen: () => {
      // Every frame goes from the upper left corner to "clear what is below".
      const end = raw.lastIndexOf('\u001b[J');
      const start = raw.lastIndexOf('\u001b[H', end);
      if (end === -1 || start === -1) return [];
      return raw
        .slice(start + 3, end)
        .replace(SEQUENCE, '')
        .split(/\r*\n/);
    },
    ended,
    kill: () => void child.kill('SIGKILL'),
  };
}
