// Owns whether the parameters of a start are what a profile lets it choose, or its assertion says. Invariant: a value
// that passes is one path segment, and one that the profile lists or whose pattern it matches as a whole.

import { type Asserted, keptClaim, plainText } from './assertion.ts';
import { isSegment, SEGMENT_RULE } from './ids.ts';
import { Problem } from './problem.ts';
import type { ParamRule, Profile } from './profile.ts';

/**
 * The parameters that hold.
 * @throws Problem SIGNAL_INVALID that names the culprit, PROFILE_DENIED where the assertion gives no good value
 */
export function checkParams(
  profile: Profile,
  given: Readonly<Record<string, string>>,
  asserted: Asserted | null,
): Record<string, string> {
  const known = Object.keys(profile.params).filter((name) => profile.params[name]!.claim === undefined);
  for (const name of Object.keys(given)) {
    if (!Object.hasOwn(profile.params, name)) {
      throw new Problem('SIGNAL_INVALID', `params.${name} is not a parameter of profile ${profile.name}`, {
        hint: known.length > 0 ? `it takes ${known.join(', ')}` : 'it takes no parameters',
      });
    }
    const { claim } = profile.params[name]!;
    if (claim === undefined) continue;
    throw new Problem('SIGNAL_INVALID', `params.${name} is not for the caller to choose`, {
      hint: `leave it out: it is taken from the assertion's claim ${claim}`,
    });
  }
  const params: Record<string, string> = {};
  for (const [name, rule] of Object.entries(profile.params)) {
    if (rule.claim !== undefined) {
      const value = fromClaim(name, rule.claim, rule, asserted);
      if (value !== null) params[name] = value;
      continue;
    }
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

/** The first capture of the pattern, else the whole value; null when it is optional and the assertion has none. */
function fromClaim(name: string, claim: string, rule: ParamRule, asserted: Asserted | null): string | null {
  const found = asserted === null ? undefined : keptClaim(asserted, claim);
  if (found === undefined && rule.optional) return null;
  const text = plainText(found);
  const matched = text === null || rule.pattern === undefined ? null : match(rule.pattern, text);
  const value = rule.pattern === undefined ? text : matched && (matched[1] ?? matched[0]);
  if (value !== null && isSegment(value) && (rule.enum === undefined || rule.enum.includes(value)))
    return value;
  const is = found === undefined ? 'is missing' : 'has a value that the profile does not allow';
  throw new Problem('PROFILE_DENIED', `params.${name} cannot be had: the assertion's claim ${claim} ${is}`, {
    hint: `the profile takes ${describe(rule)} as ${SEGMENT_RULE}`,
  });
}

function checkParam(name: string, value: string, rule: ParamRule): void {
  const allowed =
    (rule.enum === undefined || rule.enum.includes(value)) &&
    (rule.pattern === undefined || match(rule.pattern, value) !== null);
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
export function match(pattern: string, value: string): RegExpExecArray | null {
  const whole = `^(?:${pattern})$`;
  try {
    return new RegExp(whole, 'u').exec(value);
  } catch {
    return new RegExp(whole).exec(value);
  }
}

const describe = (rule: ParamRule): string =>
  rule.enum !== undefined
    ? `one of ${rule.enum.join(', ')}`
    : `a value matching ${rule.pattern ?? SEGMENT_RULE}`;
