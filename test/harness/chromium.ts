// Owns a real Chromium for the report's tests, without a window and without a network. Invariant: whatever a page says
// on its console, breaks, or asks for is noted.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import puppeteer, { type Browser, type Page } from 'puppeteer-core';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

export interface WatchedPage {
  readonly page: Page;
  /** Errors and warnings of the console, exceptions, and crashes. */
  readonly said: string[];
  /** Addresses that it asked for. */
  readonly asked: string[];
}

export interface Chromium extends AsyncDisposable {
  open(path: string, size: { width: number; height: number }, dark?: boolean): Promise<WatchedPage>;
}

export async function chromium(): Promise<Chromium> {
  const executablePath = CHROMIUM.find((path) => existsSync(path));
  if (executablePath === undefined) throw new Error('Chromium is needed: apt-get install chromium');
  const profile = mkdtempSync(join(tmpdir(), 'tasklease-chromium-'));
  const browser: Browser = await puppeteer.launch({
    executablePath,
    userDataDir: profile,
    // The sandbox needs what root in a container does not have; what is opened is our own page.
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage', '--proxy-server=127.0.0.1:9'],
    timeout: 120_000,
    protocolTimeout: 170_000,
  });
  return {
    async open(path, size, dark = false) {
      const page = await browser.newPage();
      const said: string[] = [];
      const asked: string[] = [];
      page.on('console', (message) => {
        if (['error', 'warn', 'assert'].includes(message.type()))
          said.push(`${message.type()}: ${message.text()}`);
      });
      page.on('pageerror', (error) => said.push(String(error)));
      page.on('request', (request) => asked.push(request.url()));
      await page.setViewport({ ...size, deviceScaleFactor: size.width < 500 ? 2 : 1 });
      await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
      await page.goto(`file://${path}`, { waitUntil: 'load', timeout: 120_000 });
      return { page, said, asked };
    },
    async [Symbol.asyncDispose]() {
      await browser.close();
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
