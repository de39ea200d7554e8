// All recordings.

import { every, at, list } from './api.js';
import { h, keyed, badge, empty, head, when } from './dom.js';

export async function assetsPage(place, _, signal) {
  const rows = h('tbody', {});
  const table = h('table', { class: 'panel list' }, h('caption', { class: 'unseen' }, 'Recordings, newest first'),
    h('thead', {}, h('tr', {}, ...['Name', 'State', 'Made', 'About'].map((c) => h('th', { scope: 'col' }, c)))), rows);
  const nothing = h('div', {});
  place.append(head('Recordings'), nothing, h('div', { class: 'scroll' }, table));
  await every(4000, signal, async () => {
    const [assets, recording] = await Promise.all([list(at`assets`, signal), beingRecorded(signal)]);
    table.hidden = assets.length === 0;
    nothing.replaceChildren(...(assets.length > 0 ? [] : [empty('No recordings yet', 'An output of a live event records into one. Begin on the event’s page.', h('a', { class: 'button', href: '#/events' }, 'Go to the events'))]));
    assets.sort((a, b) => (a.properties.created < b.properties.created ? 1 : -1));
    keyed(rows, assets, (a) => a.name, (a) => h('tr', {}, h('th', { scope: 'row' }, h('a', { href: `#/assets/${encodeURIComponent(a.name)}` }, a.name)),
      h('td', {}), h('td', {}, when(a.properties.created)), h('td', {}, a.properties.description ?? '')), (row, a) => {
      const now = recording.has(a.name.toLowerCase()) ? 'Recording' : 'Complete';
      if (row.dataset.state !== now) row.cells[1].replaceChildren(badge(now === 'Recording' ? 'live' : 'idle', row.dataset.state = now));
    });
  });
}

// beingRecorded maps the assets that outputs record into to their events.
export async function beingRecorded(signal) {
  const events = await list(at`liveEvents`, signal);
  const of = await Promise.all(events.map(async (e) => (await list(at`liveEvents/${e.name}/liveOutputs`, signal)).map((o) => [o.properties.assetName.toLowerCase(), { event: e.name, output: o.name }])));
  return new Map(of.flat());
}
