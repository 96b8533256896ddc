// Owns the width of comments in what is made here. Invariant: no word is broken.

const WIDTH = 115;

export function wrapped(text: string, width = WIDTH): string[] {
  const lines: string[] = [''];
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const line = lines.at(-1)!;
    if (line !== '' && line.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = line === '' ? word : `${line} ${word}`;
  }
  return lines;
}
