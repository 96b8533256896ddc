// Format json: one object, keys as given, a final newline (RFC 8259).

export const json = (fields: Readonly<Record<string, unknown>>): Buffer =>
  Buffer.from(`${JSON.stringify(fields, null, 2)}\n`);
