// What happened to the input of events, newest first.

import { every, at, ask } from './api.js';
import { h, keyed, badge, clock, rate } from './dom.js';

const levels = { Error: 'poor', Warning: 'fair' };
const words = {
  BeginIngest: 'The encoder connected', EndIngest: 'The encoder disconnected', FirstChunkReceived: 'First media of a track', ChunkDropped: 'Media was dropped',
  Discontinuity: 'The timestamps jumped', InvalidConnection: 'A connection was refused', MediaRepaired: 'Timestamps were repaired', InputLost: 'Nothing comes in any more',
  InputRestored: 'The input is back', StorageDegraded: 'The disk does not keep up', StorageRecovered: 'The disk is well again', StorageRepaired: 'Files were repaired at the start',
};

// maxShown bounds the table.
const maxShown = 200;

// history is a table that keeps itself up to date; names tells which events it is about.
export function history(signal, names, { all = false } = {}) {
  const rows = h('tbody', {});
  const none = h('p', { class: 'hint' }, 'Nothing yet.');
  const table = h('table', { class: 'history', hidden: true }, h('caption', { class: 'unseen' }, 'What happened, newest first'),
    h('thead', {}, h('tr', {}, ...['Time', all && 'Event', 'What', 'Details'].filter(Boolean).map((c) => h('th', { scope: 'col' }, c)))), rows);
  every(4000, signal, async () => {
    const of = await Promise.all((await names()).map(async (name) => {
      const { value } = await ask(at`liveEvents/${name}/getStreamEvents`, signal);
      return value.map((e, i) => ({ ...e, name, key: `${name} ${i} ${e.eventTime} ${e.eventType}` }));
    }));
    const list = of.flat().sort((a, b) => (a.eventTime < b.eventTime ? 1 : a.eventTime > b.eventTime ? -1 : 0)).slice(0, maxShown);
    table.hidden = list.length === 0;
    none.hidden = list.length > 0;
    keyed(rows, list, (e) => e.key, (e) => row(e, all));
  }).catch(() => {}); // the event is gone; the page says so
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'What happened' }, none, table);
}

function row(e, all) {
  const type = e.eventType.replace('StreamEvent/', '');
  const d = e.data;
  const details = [
    type === 'FirstChunkReceived' && `${d.trackType} ${d.fourCC ?? ''}${d.bitrate ? `, ${rate(d.bitrate)}` : ''}`, d.resultMessage,
    type === 'BeginIngest' && d.remoteIp && `from ${d.remoteIp}`, type === 'Discontinuity' && d.trackType && Number(d.discontinuityGap) && `${d.trackType}: by ${(d.discontinuityGap / (d.timescale ?? 1e7)).toFixed(1)} s`,
  ].filter(Boolean);
  return h('tr', {}, h('td', {}, h('time', { datetime: e.eventTime, title: new Date(e.eventTime).toLocaleString() }, clock(new Date(e.eventTime)))),
    all && h('td', {}, h('a', { href: `#/events/${encodeURIComponent(e.name)}` }, e.name)),
    h('td', {}, levels[e.eventLevel] ? badge(levels[e.eventLevel], e.eventLevel) : null, ` ${words[type] ?? type}`),
    h('td', { class: 'details' }, details.join(' · ')));
}
