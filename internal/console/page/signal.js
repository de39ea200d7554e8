// What the doctor says of the encoder: what is wrong and how to change it, what is measured, how long the way to viewers is.

import { h, set, keyed, badge, when } from './dom.js';
import { healthKind } from './state.js';

const kinds = { Error: 'poor', Warning: 'fair', Information: 'idle' };
const severities = { Error: 'Error', Warning: 'Warning', Information: 'Good to know' };

// The measurements that are worth a place of their own, by track and name.
const figures = [
  ['video', 'resolution', 'Picture'], ['video', 'frameRate', 'Frame rate'], ['video', 'bitrate', 'Video'], ['video', 'keyFrameLongest', 'Key frames, at most'],
  ['audio', 'bitrate', 'Sound'], ['audio', 'sampleRate', 'Sample rate'], [undefined, 'jitter', 'Jitter'],
];

export function signalPanel() {
  const verdict = h('span', { role: 'status' });
  const latency = h('span', { class: 'hint end' });
  const calm = h('p', { class: 'hint' });
  const findings = h('ul', { class: 'findings' });
  const facts = h('dl', { class: 'figures' });
  const rows = h('tbody', {});
  const stages = h('tbody', {});
  const from = h('p', { class: 'hint' });
  const table = (caption, columns, body) => h('table', {}, h('caption', { class: 'unseen' }, caption), h('thead', {}, h('tr', {}, ...columns.map((c) => h('th', { scope: 'col' }, c)))), body);
  const measured = h('details', {}, h('summary', {}, 'All that is measured'), table('All that is measured', ['What', 'Value'], rows));
  const way = h('details', {}, h('summary', {}, 'The way to viewers, step by step'),
    table('The way to viewers', ['Step', 'Usually', '95 %', 'At most'], stages));
  const element = h('section', { class: 'panel', 'aria-label': 'Signal', hidden: true },
    h('div', { class: 'row' }, h('h2', {}, 'Signal'), verdict, latency), calm, findings, facts, way, measured, from);
  return {
    element,
    update(d, status, report) {
      element.hidden = !status || (!d.receiving && status.healthDescriptions.length === 0);
      if (element.hidden) return;
      const health = d.receiving ? status.healthStatus ?? '' : '';
      if (verdict.dataset.text !== health) verdict.replaceChildren(...(health ? [badge(healthKind[health] ?? 'idle', health)] : []));
      verdict.dataset.text = health;
      const found = [...(report?.findings ?? [])];
      const told = found.map((f) => f.message);
      const worst = health === 'Poor' && !found.some((f) => f.severity === 'Error');
      // What the server has to say of itself, such as a disk that does not keep up, is in the status alone.
      const others = status.healthDescriptions.filter((text) => !told.includes(text)).map((message) => ({ code: message, severity: !d.receiving ? 'Information' : worst ? 'Error' : 'Warning', message }));
      const all = d.receiving ? [...others, ...found] : others;
      keyed(findings, all, (f) => `${f.code} ${f.trackType ?? ''} ${f.severity}`, finding, (li, f) => li.update(f));
      calm.hidden = !d.receiving || all.some((f) => f.severity !== 'Information');
      set(calm, report?.state === 'Measuring' ? 'Looking for some seconds…' : 'Nothing is wrong with what comes in.');
      const l = report?.latency;
      set(latency, d.receiving && l?.expectedSeconds ? `about ${l.expectedSeconds.toFixed(1)} s to viewers${l.lowLatency && !l.achievable ? ': low latency is not possible' : ''}` : '');
      measure(facts, rows, report);
      measured.hidden = !report?.measurements.length;
      way.hidden = !l?.stages?.length;
      const ms = (n) => `${n < 10 ? n.toFixed(1) : Math.round(n)} ms`;
      keyed(stages, l?.stages ?? [], (s) => s.name, (s) => h('tr', {}, h('th', { scope: 'row' }, s.label), h('td', {}), h('td', {}), h('td', {})), (row, s) => {
        const known = s.samples > 0 || s.source === 'computed';
        [s.typical, s.p95, s.max].forEach((n, i) => set(row.cells[i + 1], known ? ms(n) : '–'));
      });
      source(from, status.ingestion, report?.encoder);
    },
  };
}

function finding(f) {
  const message = h('strong', {});
  const consequence = h('p', {});
  const fixes = h('dl', { class: 'fixes' });
  const element = h('li', {}, h('p', {}, badge(kinds[f.severity] ?? 'idle', severities[f.severity] ?? f.severity), ' ', message), consequence,
    (f.obs || f.ffmpeg) && h('details', {}, h('summary', {}, 'What to change'), fixes));
  if (f.obs) fixes.append(h('div', {}, h('dt', {}, 'OBS'), h('dd', {}, f.obs)));
  if (f.ffmpeg) fixes.append(h('div', {}, h('dt', {}, 'ffmpeg'), h('dd', {}, f.ffmpeg)));
  element.update = (now) => {
    set(message, now.message);
    set(consequence, now.consequence ?? '');
  };
  return element;
}

function measure(facts, rows, report) {
  const all = report?.measurements ?? [];
  const shown = figures.flatMap(([track, name, label]) => {
    const m = all.find((x) => x.name === name && (x.trackType || undefined) === track);
    return m ? [{ label, text: m.text }] : [];
  });
  facts.hidden = shown.length === 0;
  keyed(facts, shown, (m) => m.label, (m) => h('div', {}, h('dt', {}, m.label), h('dd', {})), (div, m) => set(div.lastElementChild, m.text));
  keyed(rows, all, (m) => m.label, (m) => h('tr', {}, h('th', { scope: 'row' }, m.label), h('td', {})), (row, m) => set(row.cells[1], m.text));
}

function source(place, ingestion, encoder) {
  const key = `${ingestion?.begin} ${ingestion?.end} ${encoder?.name}`;
  if (place.dataset.key === key) return;
  place.dataset.key = key;
  if (ingestion?.begin && !ingestion.end) place.replaceChildren(encoder?.name ? `${encoder.name}, ` : '', 'from ', h('code', {}, ingestion.encoder ?? 'somewhere'), ' since ', when(ingestion.begin));
  else place.replaceChildren(ingestion?.endReason ?? '');
}
