// What a locator publishes: addresses to take away, as text and as QR code.

import { at, ask, every, may, urls, remove, put, list } from './api.js';
import { h, set, button, copyable, dialog, field, sure, say } from './dom.js';
import { qr } from './qr.js';

const clear = 'Predefined_ClearStreamingOnly';

// loopback addresses are of no use to anybody else.
const loopback = (host) => host === 'localhost' || host === '[::1]' || host.startsWith('127.');

function showCode(name, url, host) {
  dialog(`Watch ${name}`, '', [
    qr(url, `QR code of ${url}`), h('p', { class: 'break' }, h('a', { href: url, target: '_blank', rel: 'noopener' }, url)),
    loopback(host) && h('p', { class: 'hint' }, 'This address works on the server’s machine only. Start the server with --public-host to hand out one for others.'),
  ].filter(Boolean));
}

// audience is a line that says who watches by a locator, as long as it is shown.
function audience(name, signal) {
  const line = h('p', { class: 'hint' });
  const life = new AbortController();
  signal.addEventListener('abort', () => life.abort());
  let shown = false;
  every(5000, life.signal, async () => {
    if (shown && !line.isConnected) return life.abort();
    const a = await ask(at`streamingLocators/${name}/getAudience`, life.signal);
    const behind = Number(/^PT([\d.]+)S$/.exec(a.latency)?.[1]);
    set(line, a.viewers === 0 ? 'Nobody watches at the moment.' : [
      `${a.viewers} ${a.viewers === 1 ? 'watches' : 'watch'} now`, behind > 0 && `${behind.toFixed(1)} s behind`,
      Number(a.stalls) > 0 && `${a.stalls} stalls in the last minute`,
    ].filter(Boolean).join(' · '));
    shown ||= line.isConnected;
  }).catch(() => {}); // it is withdrawn
  return line;
}

// links fills an element with the addresses of a locator.
export async function links(locator, signal, { title = locator.name, asset = false } = {}) {
  const u = await urls(locator.name, signal);
  const restricted = locator.properties?.access?.tokenRestriction;
  const withdraw = may('publisher') && button('Withdraw…', () => sure(`Withdraw ${locator.name}?`,
    'Whoever watches by it is cut off, and its addresses will not come back. The recording stays.', 'Withdraw', async () => {
      await remove(at`streamingLocators/${locator.name}`);
      say(`${locator.name} is withdrawn.`);
      element.dispatchEvent(new Event('changed', { bubbles: true }));
    }), { class: 'quiet', 'aria-label': `Withdraw ${locator.name}` });
  const element = h('section', { class: 'locator' },
    h('div', { class: 'row' }, h('h3', {}, title),
      asset && locator.properties?.assetName && h('a', { href: `#/assets/${encodeURIComponent(locator.properties.assetName)}` }, locator.properties.assetName),
      withdraw),
    !u.running && h('p', { class: 'note poor' }, 'Nobody can watch: the endpoint “default” is stopped. ', h('a', { href: '#/endpoints' }, 'Endpoints')),
    restricted && h('p', { class: 'note' }, 'Viewers need a token: ', h('code', {}, `headwater locator token ${locator.name}`)));
  if (!u.watch) {
    element.append(h('p', { class: 'hint' }, 'Its addresses are known as soon as something records into the asset.'));
    return element;
  }
  element.append(audience(locator.name, signal),
    copyable('Page to watch', u.watch, { more: [
      h('a', { class: 'button', href: u.watch, target: '_blank', rel: 'noopener' }, 'Watch'),
      h('button', { type: 'button', 'aria-label': `QR code of ${locator.name}`, onclick: () => showCode(title, u.watch, u.host) }, 'QR'),
    ] }),
    h('details', {}, h('summary', {}, 'For players'), u.hls && copyable('HLS', u.hls), u.dash && copyable('DASH', u.dash), u.mp4 && copyable('MP4, once it has ended', u.mp4)),
  );
  return element;
}

// publish makes a locator for an asset, with a name that is free.
export async function publish(asset, policy = clear) {
  const taken = new Set((await list(at`streamingLocators`)).map((l) => l.name.toLowerCase()));
  let name = asset;
  for (let n = 2; taken.has(name.toLowerCase()); n++) name = `${asset}-${n}`;
  await put(at`streamingLocators/${name}`, { properties: { assetName: asset, streamingPolicyName: policy } });
  return name;
}

// newLocator asks for everything that a locator can be made with here.
export async function newLocator(asset, done) {
  const [assets, policies] = await Promise.all([list(at`assets`), list(at`streamingPolicies`)]);
  const options = (values, chosen) => values.map((v) => {
    const o = h('option', { value: v }, v);
    o.selected = v === chosen;
    return o;
  });
  dialog('New link', 'Publish', [
    field('Recording', h('select', { name: 'asset', required: true }, ...options(assets.map((a) => a.name), asset))),
    field('Name', h('input', { name: 'name', autocomplete: 'off', spellcheck: 'false' }), 'Empty: that of the recording.'),
    field('What it serves', h('select', { name: 'policy' }, ...options(policies.map((p) => p.name).filter((n) => !/ClearKey|DRM/i.test(n)), clear)), 'The policy with Download also gives the ended recording as one MP4 file.'),
    field('From', h('input', { type: 'datetime-local', name: 'start' }), 'Empty: at once.'),
    field('Until', h('input', { type: 'datetime-local', name: 'end' }), 'Empty: for ever.'),
  ], async (form) => {
    const date = (name) => (form.get(name) ? new Date(form.get(name)).toISOString() : undefined);
    const name = form.get('name').trim();
    const body = { properties: { assetName: form.get('asset'), streamingPolicyName: form.get('policy'), startTime: date('start'), endTime: date('end') } };
    if (name) await put(at`streamingLocators/${name}`, body);
    else await publish(form.get('asset'), form.get('policy'));
    say('Published.');
    done?.();
  });
}
