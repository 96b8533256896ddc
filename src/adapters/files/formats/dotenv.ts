// Format dotenv: NAME=value lines that both a POSIX shell (`set -a; . file`) and dotenv readers take.

import { Problem } from '../../../domain/problem.ts';

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const BARE = /^[A-Za-z0-9_.,:@%+=/-]*$/;

/** @throws Problem DELIVERY_FAILED for a name or value that no reader of this format could take */
export function dotenv(file: string, fields: Readonly<Record<string, unknown>>): Buffer {
  const lines = Object.entries(fields).map(([name, value]) => {
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    if (!NAME.test(name) || text.includes('\0')) {
      throw new Problem('DELIVERY_FAILED', `field ${name} cannot be written as a variable in ${file}`, {
        hint: 'map it to a variable name under fields:, or use format json',
      });
    }
    return `${name}=${quote(text)}\n`;
  });
  return Buffer.from(lines.join(''));
}

/** Bare, else in single quotes; in double quotes with escapes where it holds a single quote (POSIX 2.2). */
function quote(text: string): string {
  if (BARE.test(text)) return text;
  if (!text.includes("'")) return `'${text}'`;
  return `"${text.replace(/[\\"$`]/g, '\\$&')}"`;
}
