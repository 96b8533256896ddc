// The report in a real Chromium: it asks nobody, says nothing on its console, every control has a name, ten thousand
// grants are drawn at once, and nothing that a caller wrote is more than text.

// biome-ignore-all lint/suspicious/noExplicitAny: what runs inside the page has the page's types

import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ReportInput, reportModel } from '../../src/audit/report/model.ts';
import { reportPage } from '../../src/audit/report/page.ts';
import { type Chromium, chromium } from '../harness/chromium.ts';
import { HOSTILE, sampleWeek } from '../harness/report-sample.ts';

const DESKTOP = { width: 1280, height: 900 };
const PHONE = { width: 390, height: 844 };

const dir = mkdtempSync(join(tmpdir(), 'tasklease-report-'));
let browser: Chromium;
beforeAll(async () => {
  browser = await chromium();
});
afterAll(async () => {
  await browser?.[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

const sha256 = (text: string): string => createHash('sha256').update(text).digest('base64');
const written = (input: ReportInput, name: string): string => {
  const path = join(dir, `${name}.html`);
  writeFileSync(path, reportPage(reportModel(input), sha256));
  return path;
};
const textOf = (page: Page, selector: string): Promise<string> =>
  page.$eval(selector, (element) => element.textContent ?? '');

describe('ten thousand grants', () => {
  let path: string;
  beforeAll(() => {
    path = written(sampleWeek(10_000), 'week');
  });

  test('are all drawn, in less than two seconds, without an error and without a request', async () => {
    const { page, said, asked } = await browser.open(path, DESKTOP);
    expect(said).toEqual([]);
    expect(asked).toEqual([`file://${path}`]);
    expect(await page.$eval('#plot', ({ dataset }) => dataset.bars)).toBe('10000');
    // An upper bound for a slow machine: a tenth of it on a desk.
    expect(Number(await page.$eval('#plot', ({ dataset }) => dataset.drawnMs))).toBeLessThan(2000);
    const painted = await page.$eval('#plot', (element) => {
      const canvas = element as unknown as { width: number; height: number; getContext(kind: '2d'): any };
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set<number>();
      for (let i = 0; i < data.length; i += 4)
        colours.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
      return colours.size;
    });
    expect(painted, 'more than a blank').toBeGreaterThan(8);
    await page.close();
  });

  test('every control has a name, the timeline has words, each heading and table cell is in order', async () => {
    const { page } = await browser.open(path, DESKTOP);
    const nodes: { role: string; name?: string }[] = [];
    const walk = (node: any): void => {
      nodes.push(node);
      for (const child of node.children ?? []) walk(child);
    };
    walk(await page.accessibility.snapshot({ interestingOnly: false }));
    const controls = nodes.filter(({ role }) =>
      /button|link|textbox|searchbox|combobox|image|img/.test(role),
    );
    expect(controls.length).toBeGreaterThan(8);
    expect(controls.filter(({ name }) => !name?.trim())).toEqual([]);
    expect(
      nodes.find(({ role, name }) => /im(?:g|age)/.test(role) && name?.startsWith('Timeline of'))?.name,
    ).toMatch(/10.000 grants .* \d+ completed.*10 unproved.*list below/);
    const headings = await page.$$eval('h1,h2,h3', (all) => all.map(({ tagName }) => tagName));
    expect(headings[0]).toBe('H1');
    expect(headings.filter((name) => name === 'H1')).toHaveLength(1);
    expect(await page.$$eval('th:not([scope])', (all) => all.length)).toBe(0);
    expect(await page.$eval('html', ({ lang }) => lang)).toBe('en');
    // By keyboard alone: the first control after the skip link is in reach, and works.
    await page.focus('#in');
    await page.keyboard.press('Enter');
    expect(Number(await page.$eval('#plot', ({ dataset }) => dataset.bars))).toBeLessThan(10_000);
    await page.close();
  });

  test('what is pending or unproved stands above everything else, by size', async () => {
    const { page } = await browser.open(path, DESKTOP);
    const first = await page.$eval('main', (main) => main.firstElementChild?.textContent ?? '');
    expect(first).toMatch(/^Not proved gone: \d+ grants/);
    expect(first).toContain('VAULT_UNREACHABLE');
    expect(await textOf(page, '.chain')).toMatch(/Record untouched.*182,411/);
    await page.close();
  });

  test('are found by a word and a fate, and paged through', async () => {
    const { page } = await browser.open(path, DESKTOP);
    expect(await textOf(page, '#shown')).toBe('1 to 50 of 10000');
    await page.click('#older');
    expect(await textOf(page, '#shown')).toBe('51 to 100 of 10000');
    await page.select('#fate', 'unproved');
    expect(await textOf(page, '#shown')).toBe('1 to 10 of 10');
    await page.type('#search', 'no such task');
    expect(await textOf(page, '#shown')).toBe('0 to 0 of 0');
    await page.close();
  });

  test.each([
    ['a phone', PHONE, false],
    ['the dark', DESKTOP, true],
  ] as const)('%s: nothing is wider than the screen, nothing breaks', async (_name, size, dark) => {
    const { page, said, asked } = await browser.open(path, size, dark);
    expect(await page.evaluate(() => (globalThis as any).document.documentElement.scrollWidth)).toBe(
      size.width,
    );
    const wide = await page.$$eval(
      'section, table, .cards li, button, input, select',
      (all, width) =>
        all
          .filter((each) => each.getBoundingClientRect().right > width)
          .map(({ className, id }) => `${className}#${id}`),
      size.width,
    );
    expect(wide).toEqual([]);
    expect([said, asked]).toEqual([[], [`file://${path}`]]);
    await page.close();
  });

  test('on paper: light, without buttons, the timeline with it', async () => {
    const { page, said } = await browser.open(path, DESKTOP, true);
    const pdf = await page.pdf({ format: 'A4', printBackground: true, timeout: 120_000 });
    expect(Buffer.from(pdf.subarray(0, 5)).toString()).toBe('%PDF-');
    expect(pdf.length).toBeGreaterThan(50_000);
    await page.emulateMediaType('print');
    expect(
      await page.$$eval('.tools', (all) => all.filter((each) => each.getClientRects().length > 0).length),
    ).toBe(0);
    expect(said).toEqual([]);
    await page.close();
  });
});

test('what callers wrote is text, in the page and in what the script makes of it', async () => {
  const input = sampleWeek(HOSTILE.length);
  // Refused, pending and unproved too: every place that shows a caller's words.
  const tasks = input.tasks.flatMap((task) => [
    task,
    { ...task, state: 'stopping' as const, closed_at: null, problem: { code: 'X', detail: task.task! } },
    {
      ...task,
      profile: task.task,
      leases: [{ path: task.task!, issued_at: task.started_at, proof: 'unproved' }],
    },
  ]);
  const path = written({ ...input, tasks, source: HOSTILE[0]! }, 'hostile');
  const { page, said, asked } = await browser.open(path, DESKTOP);
  expect([said, asked]).toEqual([[], [`file://${path}`]]);
  expect(await page.title()).toMatch(/^tasklease report: Leases from/);
  expect(await page.$$eval('script', (all) => all.length)).toBe(2);
  expect(await page.$$eval('img, svg[onload], main [style]:not(canvas), b > i', (all) => all.length)).toBe(0);
  const whole = await textOf(page, 'main');
  for (const words of HOSTILE.filter((each) => !/[\u2028\u2029\u202e]/.test(each)))
    expect(whole).toContain(words);
  expect(await page.$eval('section.alarm', (section) => section.textContent)).not.toMatch(/[\u202e\u2066]/);
  await page.close();
});

test('an empty ledger is a whole page too', async () => {
  const path = written({ ...sampleWeek(0), outages: [] }, 'empty');
  const { page, said } = await browser.open(path, PHONE);
  expect(said).toEqual([]);
  expect(await textOf(page, 'main')).toContain('Nothing to look at');
  await page.close();
});

test('a record that was tampered with, or was not checked, says so at the top', async () => {
  for (const [state, words] of [
    ['broken', 'Record tampered with'],
    ['unchecked', 'Record not checked'],
  ] as const) {
    const html = reportPage(
      reportModel({ ...sampleWeek(3), verification: { state, sentence: 'record 7 was changed' } }),
      sha256,
    );
    expect(html.indexOf(words)).toBeGreaterThan(0);
    expect(html.indexOf(words)).toBeLessThan(html.indexOf('<main>'));
    expect(html).toContain('record 7 was changed');
  }
});
