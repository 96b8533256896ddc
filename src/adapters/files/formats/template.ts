// Format template: {{field}} replaced, nothing else; no logic, no escaping.

import type { RuleOf } from '../../../domain/file-rule.ts';
import { renderText } from '../../../domain/template.ts';
import type { Values } from '../values.ts';

export const template = (values: Values, rule: RuleOf<'template'>): string =>
  renderText(rule.template, (name) => values.plain(values.named(name)));
