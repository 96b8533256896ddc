// Owns the report as one page: what stands there before any script runs, which is all but the timeline and the list.
// Invariant: the page asks nobody (its Content-Security-Policy forbids it), and every text of the ledger is escaped.

import type { Busiest, ProfileLine, ReportGrant, ReportModel } from './model.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';
import { clock, grouped, json, plural, span, text } from './words.ts';

/** @param sha256 in base64, for the policy */
export function reportPage(model: ReportModel, sha256: (text: string) => string): string {
  const policy = [
    "default-src 'none'",
    `script-src 'sha256-${sha256(SCRIPT)}'`,
    `style-src 'sha256-${sha256(STYLE)}'`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const title = `Leases from ${clock(model.from).slice(0, 16)} to ${clock(model.to).slice(0, 16)} UTC`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="color-scheme" content="light dark">
<title>tasklease report: ${text(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<a class="skip" href="#grants">Skip to the list of grants</a>
<header>
<h1>${text(title)}</h1>
<p class="soft">tasklease report of ${text(model.source)}, made ${clock(model.now)} UTC. All times are UTC.</p>
${chain(model)}
${cards(model)}
</header>
<main>
${attention(model)}
${timeline(model)}
${profiles(model.profiles)}
<div class="two">
${busiest('Busiest events', 'event', model.events)}
${busiest('Busiest callers', 'caller', model.callers)}
</div>
${outages(model)}
${list(model)}
</main>
<footer class="soft"><p>Exposure is the time from the first secret issued to the last one proved gone.</p></footer>
<script type="application/json" id="data">${json(compact(model))}</script>
<script>${SCRIPT}</script>
</body>
</html>
`;
}

function chain({ verification: { state, sentence } }: ReportModel): string {
  const word = {
    verified: '✓ Record untouched',
    broken: '✗ Record tampered with',
    unchecked: 'Record not checked',
  };
  return `<p class="chain ${state}"><b>${word[state]}</b> <span>${text(sentence)}</span></p>`;
}

function cards(model: ReportModel): string {
  const { grants, leases, attention: open, fates, refusals } = model;
  const longest = grants.reduce((max, { exposure }) => Math.max(max, exposure), 0);
  const card = (name: string, value: string, mood = '') =>
    `<li${mood === '' ? '' : ` class="${mood}"`}><b>${value}</b>${name}</li>`;
  const count = grouped;
  const pending = open.filter(({ fate }) => fate === 'stopping').length;
  return `<ul class="cards">
${card('grants', count(grants.length - refusals))}
${card('leases issued', count(leases.issued))}
${card('proved revoked', count(leases.revoked), leases.unproved === 0 ? 'good' : '')}
${card('unproved', count(leases.unproved), leases.unproved > 0 ? 'bad' : 'good')}
${card('still pending', count(pending), pending > 0 ? 'bad' : 'good')}
${card('refused', count(fates.refused))}
${card('longest exposure', span(longest))}
</ul>`;
}

/** What somebody has to look at, above everything else. */
function attention({ attention: grants }: ReportModel): string {
  if (grants.length === 0) {
    return `<section aria-labelledby="attention"><h2 id="attention">Nothing to look at</h2>
<p>No revocation is pending, and no lease ended without a proof.</p></section>`;
  }
  const shown = grants.slice(0, 100);
  const rest = grants.length - shown.length;
  return `<section class="alarm" aria-labelledby="attention"><h2 id="attention">Not proved gone: ${plural(grants.length, 'grant')}</h2>
<table class="stack"><caption>Pending: the agent is still trying. Unproved: Vault could not say that it ended; see whether the credential lives.</caption>
<thead><tr><th scope="col">Task</th><th scope="col">State</th><th scope="col">Profile</th><th scope="col">Event</th><th scope="col">Caller</th><th scope="col">Since</th><th scope="col" class="n">Exposed</th><th scope="col">Leases and reason</th></tr></thead>
<tbody>${shown.map(attentionRow).join('')}</tbody></table>${rest === 0 ? '' : `<p class="soft">and ${plural(rest, 'other')}, in the list below</p>`}</section>`;
}

function attentionRow(grant: ReportGrant): string {
  const doubtful = grant.leases
    .filter(({ proof }) => proof !== 'revoked')
    .map(({ path, proof }) => `${path} (${proof})`);
  const cells = [
    ['State', fate(grant.fate)],
    ['Profile', text(grant.profile)],
    ['Event', text(grant.event ?? ''), 'w'],
    ['Caller', grant.uid === null ? '' : `uid ${grant.uid}`, 't'],
    ['Since', clock(grant.from), 't'],
    ['Exposed', span(grant.exposure), 'n'],
    ['Leases', text([...doubtful, ...(grant.why === null ? [] : [grant.why])].join('; ')), 'w'],
  ] as const;
  return row(grant.task, cells);
}

const fate = (name: string): string => `<span class="fate f-${name}"><i></i>${name}</span>`;

/** A row that a phone shows as a card, with the column's name beside each value. */
const row = (
  head: string,
  cells: readonly (readonly [label: string, html: string, kind?: string])[],
): string =>
  `<tr><th scope="row">${text(head)}</th>${cells
    .map(
      ([label, html, kind]) =>
        `<td data-label="${label}"${kind === undefined ? '' : ` class="${kind}"`}>${html}</td>`,
    )
    .join('')}</tr>`;

function timeline(model: ReportModel): string {
  const { fates, outages: away, grants } = model;
  const legend = Object.entries(fates)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `<li>${fate(name)} <span class="soft">${count}</span></li>`);
  const rotated = grants.reduce((sum, { rotations }) => sum + rotations.length, 0);
  if (rotated > 0)
    legend.push(
      `<li><span class="fate tick"><i></i>rotation</span> <span class="soft">${rotated}</span></li>`,
    );
  if (away.length > 0)
    legend.push(
      `<li><span class="fate band"><i></i>Vault away</span> <span class="soft">${away.length}</span></li>`,
    );
  return `<section aria-labelledby="timeline"><h2 id="timeline">Timeline of grants</h2>
<p class="soft">One bar a grant, from its start to the proof; one group a profile.</p>
<ul class="legend" aria-label="What the colours mean, with counts">${legend.join('')}</ul>
<div class="tools" role="group" aria-label="Part of the timeline that is shown">
<button type="button" id="in">Zoom in</button><button type="button" id="out">Zoom out</button>
<button type="button" id="earlier">Earlier</button><button type="button" id="later">Later</button>
<button type="button" id="all">Everything</button><span class="soft" id="window" role="status"></span></div>
<div class="plot"><canvas id="plot" role="img" aria-label="${text(spoken(model))}" aria-describedby="list-note"></canvas><div id="tip" hidden></div></div>
<noscript><p>The timeline and the list need JavaScript, which only this page itself brings; everything else is here without it.</p></noscript></section>`;
}

const spoken = ({ grants, fates, from, to }: ReportModel): string =>
  `Timeline of ${plural(grants.length, 'grant')} from ${clock(from)} to ${clock(to)}: ${Object.entries(fates)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ')}. The list below has each of them.`;

function profiles(lines: readonly ProfileLine[]): string {
  const most = lines[0]?.exposure ?? 0;
  const bar = (value: number): string => {
    const width = most === 0 ? 0 : Math.round((value / most) * 1000) / 10;
    return `<svg class="bar" role="img" aria-label="${Math.round(width)} % of the most exposed" preserveAspectRatio="none" viewBox="0 0 100 10"><rect class="rest" width="100" height="10" rx="2"/><rect width="${width}" height="10" rx="2"/></svg>`;
  };
  const rows = lines.map((line) =>
    row(line.profile, [
      ['Grants', String(line.grants), 'n'],
      ['Exposure', span(line.exposure), 'n'],
      ['Share', bar(line.exposure)],
      ['Median', span(line.median), 'n'],
      ['Longest', span(line.longest), 'n'],
      ['Unproved', line.unproved === 0 ? '0' : `<b>${line.unproved}</b>`, 'n'],
    ]),
  );
  return `<section aria-labelledby="profiles"><h2 id="profiles">Exposure by profile</h2>
<table class="stack"><thead><tr><th scope="col">Profile</th><th scope="col" class="n">Grants</th><th scope="col" class="n">Exposure</th><th scope="col">Share</th><th scope="col" class="n">Median</th><th scope="col" class="n">Longest</th><th scope="col" class="n">Unproved</th></tr></thead>
<tbody>${rows.join('') || nothing(7)}</tbody></table></section>`;
}

const nothing = (columns: number): string => `<tr><td colspan="${columns}">nothing on record</td></tr>`;

function busiest(title: string, what: string, lines: readonly Busiest[]): string {
  const rows = lines.map(({ name, grants, exposure, refused }) =>
    row(name, [
      ['Grants', String(grants), 'n'],
      ['Refused', String(refused), 'n'],
      ['Exposure', span(exposure), 'n'],
    ]),
  );
  return `<section aria-labelledby="by-${what}"><h2 id="by-${what}">${title}</h2>
<table class="stack"><thead><tr><th scope="col">${what[0]!.toUpperCase()}${what.slice(1)}</th><th scope="col" class="n">Grants</th><th scope="col" class="n">Refused</th><th scope="col" class="n">Exposure</th></tr></thead>
<tbody>${rows.join('') || nothing(4)}</tbody></table></section>`;
}

function outages({ outages: away, now }: ReportModel): string {
  if (away.length === 0) return '';
  const rows = away.map(({ from, to, code, failures }) =>
    row(clock(from), [
      ['Until', to === null ? 'not answered since' : clock(to)],
      ['Lasted', span(((to ?? now) - from) / 1000), 'n'],
      ['First failure', text(code)],
      ['Failures', String(failures), 'n'],
    ]),
  );
  return `<section aria-labelledby="outages"><h2 id="outages">Vault away</h2>
<table class="stack"><thead><tr><th scope="col">From</th><th scope="col">Until</th><th scope="col" class="n">Lasted</th><th scope="col">First failure</th><th scope="col" class="n">Failures</th></tr></thead>
<tbody>${rows.join('')}</tbody></table></section>`;
}

function list({ grants }: ReportModel): string {
  return `<section class="long" aria-labelledby="grants"><h2 id="grants">All grants</h2>
<p class="soft" id="list-note">Newest first; in print, what is shown here.</p>
<div class="tools"><label>Search <input type="search" id="search" placeholder="task, event, profile, path, uid" autocomplete="off" spellcheck="false"></label>
<label>Fate <select id="fate"><option value="">any</option></select></label>
<button type="button" id="newer">Newer</button><button type="button" id="older">Older</button><span class="soft" id="shown" role="status">${plural(grants.length, 'grant')}</span></div>
<table class="stack"><thead><tr><th scope="col">Task</th><th scope="col">Started</th><th scope="col">Fate</th><th scope="col">Profile</th><th scope="col">Event</th><th scope="col">Caller</th><th scope="col" class="n">Exposed</th><th scope="col">Leases</th></tr></thead><tbody id="rows"></tbody></table></section>`;
}

/** What the script draws from: arrays, because ten thousand objects would repeat their keys. */
const compact = ({ from, to, grants, outages: away }: ReportModel) => ({
  from,
  to,
  outages: away.map((each) => [each.from, each.to, each.code]),
  grants: grants.map((grant) => [
    ...[grant.task, grant.profile, grant.event, grant.uid, grant.from, grant.to, grant.fate, grant.outcome],
    Math.round(grant.exposure * 10) / 10,
    grant.leases.map(({ path, proof }) => [path, proof]),
    grant.rotations,
    grant.why,
  ]),
});
