// Owns whether the parameters of a start are what a profile lets it choose. Invariant: a value that passes is
// one path segment, and one that the profile lists or whose pattern it matches as a whole.

import { isSegment, SEGMENT_RULE } from './ids.ts';
import { Problem } from './problem.ts';
import type { ParamRule, Profile } from './profile.ts';

/** The parameters that hold. @throws Problem SIGNAL_INVALID that names the culprit */
export function checkParams(
  profile: Profile,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  const known = Object.keys(profile.params);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(profile.params, name)) {
      throw new Problem('SIGNAL_INVALID', `params.${name} is not a parameter of profile ${profile.name}`, {
        hint: known.length > 0 ? `it takes ${known.join(', ')}` : 'it takes no parameters',
      });
    }
  }
  const params: Record<string, string> = {};
  for (const [name, rule] of Object.entries(profile.params)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    if (value !== undefined) {
      checkParam(name, value, rule);
      params[name] = value;
    } else if (!rule.optional) {
      throw new Problem('SIGNAL_INVALID', `params.${name} is missing`, {
        hint: `give ${name}: ${describe(rule)}`,
      });
    }
  }
  return params;
}

function checkParam(name: string, value: string, rule: ParamRule): void {
  const allowed =
    (rule.enum === undefined || rule.enum.includes(value)) &&
    (rule.pattern === undefined || matches(rule.pattern, value));
  if (!allowed) {
    throw new Problem('SIGNAL_INVALID', `params.${name} has a value that the profile does not allow`, {
      hint: `give ${describe(rule)}`,
    });
  }
  if (!isSegment(value)) {
    throw new Problem('SIGNAL_INVALID', `params.${name} is not ${SEGMENT_RULE}`, {
      hint: 'choose a value without slashes, blanks or wildcards',
    });
  }
}

/** The whole value, not a part of it. Without the u flag where only that takes the pattern (`\-`, `\@`). */
function matches(pattern: string, value: string): boolean {
  const whole = `^(?:${pattern})$`;
  try {
    return new RegExp(whole, 'u').test(value);
  } catch {
    return new RegExp(whole).test(value);
  }
}

const describe = (rule: ParamRule): string =>
  rule.enum !== undefined
    ? `one of ${rule.enum.join(', ')}`
    : `a value matching ${rule.pattern ?? SEGMENT_RULE}`;
