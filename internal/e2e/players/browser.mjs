// Drives headless Chromium for the Go tests. Commands come as JSON lines on standard input:
//
//   {"id":1,"do":"open","page":"a","url":"http://…"}     opens a page and begins to watch window.headwater in it
//   {"id":2,"do":"eval","page":"a","script":"…"}         evaluates an expression in it
//   {"id":3,"do":"shot","page":"a","path":"…png"}        takes a picture; "window": of what is in view alone
//   {"id":4,"do":"act","page":"a","what":"click","role":"button","name":"Start"}
//   {"id":5,"do":"act","page":"a","what":"fill","label":"Name","value":"…"}
//   {"id":6,"do":"close","page":"a"}
//
// An act finds one element as a screen reader would, by its role and name or by its label, and fails when there are more; what is
// click, fill, press (a key), text, value, wait (until it is there), gone (until it is not) or save (click, and keep
// the download at the path in value).
//
// Answers go to standard output as {"id":…,"value":…} or {"id":…,"error":"…"}; twice a second each page's
// window.headwater as {"page":"a","stats":{…}}; console errors and failed requests as {"page":"a","log":"…"}. The end of
// standard input ends everything.

import { createInterface } from 'node:readline';
import { chromium } from 'playwright-core';

const say = (message) => process.stdout.write(JSON.stringify(message) + '\n');

const more = process.argv.slice(2); // arguments of Chromium

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: [
    '--no-sandbox', '--disable-gpu', ...(more.length ? more : ['--disable-quic']), '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--autoplay-policy=no-user-gesture-required',
  ],
});
const pages = new Map();

async function open({ page: name, url, width, height, dark }) {
  const context = await browser.newContext({
    viewport: { width: width || 1280, height: height || 900 },
    colorScheme: dark ? 'dark' : 'light',
    ignoreHTTPSErrors: true, // certificates that a daemon signed itself
  });
  const page = await context.newPage();
  pages.set(name, page);
  page.on('pageerror', (error) => say({ page: name, log: `page error: ${error.message}` }));
  page.on('console', (message) => {
    if (message.type() === 'error') say({ page: name, log: `console: ${message.text()}` });
  });
  page.on('requestfailed', (request) => say({ page: name, log: `failed: ${request.url()} ${request.failure()?.errorText}` }));
  page.on('response', (response) => {
    if (response.status() >= 400) say({ page: name, log: `${response.status()} ${response.url()}` });
  });
  await page.goto(url, { waitUntil: 'domcontentloaded', timeout: 30000 });
}

async function act(page, { what, role, name, label, value, timeout }) {
  page.setDefaultTimeout(timeout || 10000);
  const element = label ? page.getByLabel(label, { exact: true }) : page.getByRole(role, { name, exact: true });
  switch (what) {
    case 'click': return element.click();
    case 'fill': return element.fill(value);
    case 'press': return element.press(value);
    case 'text': return element.innerText();
    case 'value': return element.inputValue();
    case 'wait': return element.waitFor();
    case 'gone': return element.waitFor({ state: 'hidden' });
    case 'save': {
      const [download] = await Promise.all([page.waitForEvent('download'), element.click()]);
      await download.saveAs(value);
      return download.suggestedFilename();
    }
    default: throw new Error(`unknown act ${what}`);
  }
}

async function run(command) {
  const page = pages.get(command.page);
  switch (command.do) {
    case 'open':
      return open(command);
    case 'eval':
      return page.evaluate(command.script);
    case 'shot':
      await page.screenshot({ path: command.path, fullPage: !command.window });
      return null;
    case 'act':
      return act(page, command);
    case 'close':
      pages.delete(command.page);
      await page.context().close();
      return null;
    default:
      throw new Error(`unknown command ${command.do}`);
  }
}

setInterval(() => {
  for (const [name, page] of pages) {
    page.evaluate(() => globalThis.headwater).then((stats) => {
      if (stats) say({ page: name, stats });
    }).catch(() => {}); // between documents
  }
}, 500);

say({ ready: browser.version() });
for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  run(command).then((value) => say({ id: command.id, value: value ?? null }), (error) => say({ id: command.id, error: error.message }));
}
await browser.close();
process.exit(0);
