// Format template: {{field}} replaced, nothing else; no logic, no escaping.

import { renderText } from '../../../domain/template.ts';

export const template = (source: string, values: ReadonlyMap<string, string>): Buffer =>
  Buffer.from(renderText(source, (name) => values.get(name)));
