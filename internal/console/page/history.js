// What happened, newest first: the log of events (docs/events.md), asked for what is new.

import { every, text } from './api.js';
import { h, badge, clock, day, rate } from './dom.js';

const levels = {
  ConnectionRejected: 'fair', IncomingDataChunkDropped: 'fair', TrackDiscontinuityDetected: 'fair', InputLost: 'poor', StorageDegraded: 'poor', OperationFailed: 'poor',
};
const words = {
  EncoderConnected: 'The encoder connected', EncoderDisconnected: 'The encoder left', ConnectionRejected: 'An encoder was refused', IncomingStreamReceived: 'A track comes in',
  IncomingDataChunkDropped: 'Media was dropped', TrackDiscontinuityDetected: 'The timestamps jumped', MediaRepaired: 'Timestamps were repaired', InputLost: 'Nothing comes in any more',
  InputRestored: 'The input is back', StorageDegraded: 'The disk does not keep up', StorageRecovered: 'The disk keeps up again', StorageRepaired: 'Files were repaired at the start',
  Created: 'Created', Started: 'Started', StandBy: 'Standing by', Stopped: 'Stopped', Deleted: 'Deleted', Updated: 'Changed', RecordingEnded: 'The recording is complete', OperationFailed: 'Something failed',
};
const kinds = { LiveEvent: 'Event', LiveOutput: 'Output', Asset: 'Recording', StreamingLocator: 'Link', StreamingEndpoint: 'Endpoint' };
const pages = { liveEvent: 'events', asset: 'assets' };

// Everything but the heartbeats, which come every 20 seconds for ever.
const types = ['Headwater.*', ...['Encoder*', 'Connection*', 'IncomingStream*', 'IncomingData*', 'Track*'].map((t) => `Microsoft.Media.LiveEvent${t}`)].join(',');

// maxShown bounds the table.
const maxShown = 200;

// history is a table that keeps itself up to date; about is the subject whose events it shows, '' for all.
export function history(signal, about = '') {
  const rows = h('tbody', {});
  const none = h('p', { class: 'hint' }, 'Nothing yet.');
  const table = h('table', { class: 'history', hidden: true }, h('caption', { class: 'unseen' }, 'What happened, newest first'),
    h('thead', {}, h('tr', {}, ...['Time', !about && 'About', 'What', 'Details'].filter(Boolean).map((c) => h('th', { scope: 'col' }, c)))), rows);
  let after = '';
  every(3000, signal, async () => {
    const query = new URLSearchParams({ types, subject: about, ...(after ? { after } : { last: maxShown }) });
    for (const e of JSON.parse(await text(`/events?${query}`, signal))) {
      after = e.id;
      if (about && e.subject !== about && !e.subject.startsWith(`${about}/`)) continue; // another that begins so
      rows.prepend(row(e, about));
    }
    while (rows.children.length > maxShown) rows.lastElementChild.remove();
    table.hidden = rows.children.length === 0;
    none.hidden = !table.hidden;
  }).catch(() => {}); // an older server
  return h('div', { class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'What happened' }, none, table);
}

function row(e, about) {
  const [, kind, verb] = /(?:^|\.)(LiveEvent|LiveOutput|Asset|StreamingLocator|StreamingEndpoint|)(\w+)$/.exec(e.type) ?? [0, '', e.type];
  const d = e.data ?? {};
  const subject = e.subject.split('/');
  const name = subject.at(-1);
  const lifecycle = /^(Created|Started|StandBy|Stopped|Deleted|Updated)$/.test(verb);
  const at = new Date(e.time);
  const target = pages[subject[0]] && subject.length === 2 && verb !== 'Deleted';
  const details = [
    verb === 'IncomingStreamReceived' && `${d.trackType}${d.bitrate ? `, ${rate(d.bitrate)}` : ''}`, d.resultMessage ?? d.message,
    verb === 'EncoderConnected' && d.encoderIp && `from ${d.encoderIp}`, Number(d.discontinuityGap) > 0 && `by ${(d.discontinuityGap / (d.timescale || 1e7)).toFixed(1)} s`,
    lifecycle && subject.length > 2 && name, lifecycle && d.assetName && d.assetName !== name && `records into ${d.assetName}`,
  ].filter(Boolean);
  return h('tr', {},
    h('td', {}, h('time', { datetime: e.time }, `${day(at)}${clock(at)}`)),
    !about && h('td', {}, target ? h('a', { href: `#/${pages[subject[0]]}/${encodeURIComponent(name)}` }, name) : name),
    h('td', {}, levels[verb] && badge(levels[verb], levels[verb] === 'poor' ? 'Error' : 'Warning'), levels[verb] && ' ',
      lifecycle ? `${kinds[kind] ?? kind} ${words[verb].toLowerCase()}` : words[verb] ?? verb),
    h('td', { class: 'details' }, details.join(' · ')));
}
