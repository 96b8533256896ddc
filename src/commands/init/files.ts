// Owns the set of files that init writes, each read once as whoever uses it will. Invariant: a value that would not be
// taken is refused here, with the words of the agent, before a file is written.

import { join } from 'node:path';
import { parseYaml } from '../../adapters/settings/yaml-file.ts';
import { printHcl } from '../../policy/hcl-print.ts';
import { readPolicy } from '../../policy/hcl-read.ts';
import { renderKit } from '../../policy/kit.ts';
import { agentConfig } from '../../schema/config.ts';
import { profileFile, toProfile } from '../../schema/profile-file.ts';
import { namesOf } from '../policy/inputs.ts';
import { roleText } from '../policy/render.ts';
import type { Answers } from './answers.ts';
import { configText, type Places, profileText } from './texts.ts';

/** @throws SettingsFault that names the value */
export function firstFiles(answers: Answers, places: Places): Map<string, string> {
  const { dir, profile: name } = answers;
  const [configFile, profilePath] = [join(dir, 'agent.yaml'), join(dir, 'profiles', `${name}.yaml`)];
  const [config, profile] = [configText(answers, places), profileText(answers)];
  const read = parseYaml(configFile, config, agentConfig);
  const kit = renderKit([toProfile(parseYaml(profilePath, profile, profileFile))], { names: namesOf(read) });
  const policies = join(dir, 'vault-policies');
  const files = new Map([
    [configFile, config],
    [profilePath, profile],
  ]);
  for (const { file, policy } of kit.policies) {
    const text = printHcl(policy);
    readPolicy(text, policy.name, file);
    files.set(join(policies, file), text);
  }
  for (const { file, body } of kit.roles) files.set(join(policies, file), roleText(body));
  return files;
}
