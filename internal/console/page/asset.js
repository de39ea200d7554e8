// One recording: looked at, cut, published, taken away.

import { every, at, get, post, remove, may, media } from './api.js';
import { h, set, badge, button, field, dialog, sure, say, head, span, clock } from './dom.js';
import { keep } from './player.js';
import { links, publish, newLocator } from './links.js';
import { strip } from './strip.js';
import { beingRecorded } from './assets.js';

export async function assetPage(place, [name], signal) {
  const state = h('span', { role: 'status' });
  const verbs = h('div', { class: 'actions' });
  const player = h('div', {});
  const published = h('div', { class: 'locators' });
  const more = h('p', { class: 'actions' });
  place.append(
    h('p', { class: 'crumb' }, h('a', { href: '#/assets' }, 'Recordings')),
    head(name, verbs, state), player,
    h('section', { class: 'panel', 'aria-label': 'Links' }, h('h2', {}, 'Links'), published, more));
  const asset = await get(at`assets/${name}`, signal);
  let [shown, known] = ['', undefined];
  let life = new AbortController(); // of the player
  signal.addEventListener('abort', () => life.abort());
  const again = () => { known = undefined; };
  place.addEventListener('changed', again);
  if (may('publisher')) {
    more.append(button('Publish', async () => {
      await publish(name);
      again();
      say('Published.');
    }), button('Publish with more…', () => newLocator(name, again), { class: 'quiet' }));
    verbs.append(button('Delete…', () => sure(`Delete ${name}?`, 'The recording is gone for good, with its files and links. This is refused while something records into it.', 'Delete', async () => {
      for (const l of (await post(at`assets/${name}/listStreamingLocators`)).streamingLocators) await remove(at`streamingLocators/${l.name}`);
      await remove(at`assets/${name}`);
      say(`${name} is deleted.`);
      location.hash = '#/assets';
    }), { class: 'quiet' }));
  }
  await every(3000, signal, async () => {
    const source = (await beingRecorded(signal)).get(name.toLowerCase());
    const now = source ? 'Recording' : 'Complete';
    if (shown !== now) {
      shown = now;
      state.replaceChildren(badge(source ? 'live' : 'idle', now), ...(source ? [' by ', h('a', { href: `#/events/${encodeURIComponent(source.event)}` }, source.event)] : []));
      life.abort();
      life = new AbortController();
      player.replaceChildren(cutter(asset, Boolean(source), life.signal));
    }
    const { streamingLocators: all } = await post(at`assets/${name}/listStreamingLocators`);
    const names = all.map((l) => l.name).join('\n');
    if (known === names) return;
    known = names;
    const made = await Promise.all(all.map(async (l) => links(await get(at`streamingLocators/${l.name}`, signal), signal)));
    published.replaceChildren(...(made.length > 0 ? made : [h('p', { class: 'hint' }, 'Nobody else can watch it yet.')]));
  });
}

// cutter plays the recording over a timeline on which a part can be marked.
function cutter(asset, live, signal) {
  const video = h('video', { id: 'replay', playsinline: true, preload: 'auto', 'aria-label': `Recording ${asset.name}`, onclick: () => toggle() });
  const handle = keep(video, media(asset.properties.assetId), signal, { live });
  const range = () => (video.seekable.length ? [video.seekable.start(0), video.seekable.end(video.seekable.length - 1)] : [0, 0]);
  const toggle = () => (video.paused ? video.play().catch(() => {}) : video.pause());
  const seek = (to) => {
    const [from, end] = range();
    video.currentTime = Math.min(Math.max(to, from), Math.max(from, end - 0.1));
  };

  const file = media(asset.properties.assetId, { name: asset.name, file: 'download.mp4' });
  const mark = { in: null, out: null };
  const marked = h('div', { class: 'marked', hidden: true });
  const slider = h('input', { type: 'range', id: 'timeline', min: 0, max: 1, step: 'any', value: 0, 'aria-label': 'Position', oninput: () => seek(Number(slider.value)) });
  const place = h('output', { class: 'place', for: 'timeline' });
  const play = h('button', { type: 'button', class: 'primary', 'aria-label': 'Play', onclick: toggle }, 'Play');
  video.addEventListener('play', () => { set(play, 'Pause').setAttribute('aria-label', 'Pause'); });
  video.addEventListener('pause', () => { set(play, 'Play').setAttribute('aria-label', 'Play'); });

  const date = (time) => handle.dateAt(time);
  const words = h('p', { class: 'hint', role: 'status' }, 'Mark a beginning and an end to make a clip or download a part.');
  const draw = () => {
    const [from, end] = range();
    slider.min = from;
    slider.max = end;
    slider.step = end - from > 120 ? 1 : 0.1; // what an arrow key moves by
    if (document.activeElement !== slider || !video.seeking) slider.value = video.currentTime;
    const at = date(video.currentTime);
    const text = `${span(video.currentTime - from)} of ${span(end - from)}`;
    set(place, at ? `${text} · ${clock(at)}` : text);
    slider.setAttribute('aria-valuetext', `${span(video.currentTime - from)}${at ? `, recorded at ${clock(at)}` : ''}`);
    const [a, b] = [mark.in ?? from, mark.out ?? end];
    marked.hidden = mark.in === null && mark.out === null || end <= from;
    marked.style.left = `${100 * (Math.max(a, from) - from) / (end - from)}%`;
    marked.style.right = `${100 * (end - Math.min(b, end)) / (end - from)}%`;
  };
  for (const name of ['timeupdate', 'seeked', 'loadedmetadata', 'progress', 'durationchange']) video.addEventListener(name, draw);

  const setMark = (side) => {
    mark[side] = video.currentTime;
    if (mark.in !== null && mark.out !== null && mark.out <= mark.in) mark[side === 'in' ? 'out' : 'in'] = null;
    tell();
  };
  const moments = () => { // of the part, as the API takes them; absent: from its beginning, to its end
    const iso = (t) => (t === null ? undefined : date(t)?.toISOString());
    return { start: iso(mark.in), end: iso(mark.out) };
  };
  const tell = () => {
    draw();
    const [from, end] = range();
    const part = (mark.out ?? end) - (mark.in ?? from);
    set(words, mark.in === null && mark.out === null ? 'Mark a beginning and an end to make a clip or download a part.'
      : `Marked: ${span((mark.in ?? from) - from)} to ${span((mark.out ?? end) - from)}, ${Math.round(part)} s. Cut to segments: a little more at both ends.`);
    const query = new URLSearchParams(Object.entries(moments()).filter(([, v]) => v));
    download.href = `${file}${query.size ? `?${query}` : ''}`;
    set(download, query.size ? 'Download this part' : 'Download');
    clear.hidden = mark.in === null && mark.out === null;
  };
  const download = h('a', { class: 'button', href: file, download: true, hidden: live }, 'Download');
  const clear = h('button', { type: 'button', class: 'quiet', hidden: true, onclick: () => {
    mark.in = mark.out = null;
    tell();
  } }, 'Unmark');
  const clip = may('publisher') && button('Make a clip…', () => newClip(asset.name, moments()));

  const step = (label, by) => h('button', { type: 'button', class: 'quiet', 'aria-label': `${by < 0 ? 'Back' : 'Forward'} ${Math.abs(by)} seconds`, onclick: () => seek(video.currentTime + by) }, label);
  const box = h('section', { class: 'panel cutter', 'aria-label': 'Recording' },
    h('div', { class: 'picture big' }, video),
    !live && strip(media(asset.properties.assetId, { file: 'storyboard.vtt' }), signal, (share) => {
      const [from, end] = range();
      seek(from + share * (end - from));
    }),
    h('div', { class: 'track' }, marked, slider),
    h('div', { class: 'row' }, step('−10 s', -10), step('−1 s', -1), play, step('+1 s', 1), step('+10 s', 10), place),
    h('div', { class: 'row' }, h('button', { type: 'button', onclick: () => setMark('in'), 'aria-keyshortcuts': 'i' }, 'Mark beginning'), h('button', { type: 'button', onclick: () => setMark('out'), 'aria-keyshortcuts': 'o' }, 'Mark end'), clear, clip, download),
    words, live && h('p', { class: 'hint' }, 'It can be downloaded once it is complete. Clips can be made now.'));
  box.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === 'i') setMark('in');
    else if (event.key === 'o') setMark('out');
    else return;
    event.preventDefault();
  });
  return box;
}

function newClip(source, { start, end }) {
  const about = (iso) => (iso ? clock(new Date(iso)) : undefined);
  dialog('Make a clip', 'Make it', [
    h('p', {}, `From ${about(start) ?? 'the beginning'} to ${about(end) ?? 'the end'} of ${source}. It shares its files with the recording, and stays when that is deleted.`),
    field('Name', h('input', { name: 'name', required: true, value: `${source}-clip`, autocomplete: 'off', spellcheck: 'false' })),
  ], async (form) => {
    const name = form.get('name').trim();
    await post(at`assets/${name}/clip`, { assetName: source, start, end, description: `Clip of ${source}` });
    say('The clip is made.');
    location.hash = `#/assets/${encodeURIComponent(name)}`;
  });
}
