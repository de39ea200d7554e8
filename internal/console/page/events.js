// All live events, with a picture of each that receives something.

import { every, at, put, may, media } from './api.js';
import { h, set, keyed, badge, field, check, dialog, empty, head } from './dom.js';
import { describe, healthKind, overview } from './state.js';
import { keep } from './player.js';

// maxPictures bounds how many play at a time: each decodes a video.
const maxPictures = 6;

export async function eventsPage(place, _, signal) {
  const create = (label) => may('operator') && h('button', { type: 'button', class: 'primary', onclick: newEvent }, label);
  const cards = h('ul', { class: 'cards' });
  const nothing = h('div', {});
  place.append(head('Live events', create('New event')), nothing, cards);
  await every(3000, signal, async () => {
    const all = await overview(signal);
    if (all.length > 0) nothing.replaceChildren();
    else if (!nothing.hasChildNodes()) {
      nothing.append(empty('No live events yet', 'A live event takes the stream of one encoder: OBS, ffmpeg or a hardware encoder. You see its picture here before anybody else does.', create('Make the first event')));
    }
    let pictures = 0;
    keyed(cards, all, (x) => x.event.name, (x) => card(x, signal), (element, x) => {
      element.update(x, describe(x.event, x.status).receiving && pictures++ < maxPictures);
    });
    return Math.max(3000, 100 * all.length); // each event is asked for itself
  });
}

function card({ event }, signal) {
  const name = event.name;
  const picture = h('div', { class: 'picture' });
  const state = h('span', {});
  const facts = h('p', { class: 'facts' });
  const element = h('li', { class: 'card' }, picture, h('div', { class: 'text' },
    h('h2', {}, h('a', { href: `#/events/${encodeURIComponent(name)}` }, name)), state, facts));
  let life;
  element.addEventListener('gone', () => life?.abort());
  element.update = (x, playing) => {
    const d = describe(x.event, x.status);
    if (state.dataset.text !== d.text) state.replaceChildren(badge(d.kind, state.dataset.text = d.text));
    const health = d.receiving && x.status.healthStatus;
    set(facts, [health && `Signal ${health.toLowerCase()}`, x.outputs.length > 0 ? 'Recording' : d.receiving && 'Not recording', x.watching > 0 && `${x.watching} watching`].filter(Boolean).join(' · '));
    facts.className = `facts ${health ? healthKind[health] : ''}`;
    if (playing && !life) {
      life = new AbortController();
      signal.addEventListener('abort', () => life?.abort());
      const video = h('video', { muted: true, autoplay: true, playsinline: true, 'aria-label': `Picture of ${name}`, tabindex: '-1' });
      video.muted = true;
      picture.replaceChildren(video);
      keep(video, media(x.event.properties.preview.previewLocator), life.signal, { small: true, follow: true });
    } else if (!playing) {
      life?.abort();
      life = undefined;
      const words = d.receiving ? 'Receiving' : d.text;
      if (picture.dataset.words !== words || picture.querySelector('video')) picture.replaceChildren(h('span', {}, words));
      picture.dataset.words = words;
    }
  };
  return element;
}

function newEvent() {
  const name = h('input', { name: 'name', required: true, maxlength: 32, pattern: '[A-Za-z0-9]([A-Za-z0-9\\-]*[A-Za-z0-9])?', autocomplete: 'off', spellcheck: 'false' });
  const latency = h('select', { name: 'latency' }, h('option', { value: 'LowLatencyV2' }, 'Low: about 2 seconds'), h('option', { value: '' }, 'Normal: 6 seconds and more'));
  dialog('New live event', 'Create', [
    field('Name', name, 'Letters, digits and hyphens, at most 32.'),
    field('Latency', latency, 'Low needs nothing special of the encoder. It cannot be changed later.'),
    check('Start it at once', h('input', { type: 'checkbox', name: 'start', checked: true })),
  ], async (form) => {
    const made = form.get('name').trim();
    await put(at`liveEvents/${made}`, {
      location: 'local',
      properties: { input: { streamingProtocol: 'RTMP' }, streamOptions: form.get('latency') ? [form.get('latency')] : ['Default'] },
    }, form.get('start') ? '&autoStart=true' : '');
    location.hash = `#/events/${encodeURIComponent(made)}`;
  });
}
