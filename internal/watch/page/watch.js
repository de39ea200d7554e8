// The page: waits for the stream, plays it, shows figures, and starts over by itself whenever it ends or breaks.

import { clock, hasNativeHLS, openDASH, openHLS, openNative } from './players.js';
import { parseSource } from './source.js';

const $ = (id) => document.getElementById(id);
const video = $('video');
const open = { hls: openHLS, dash: openDASH, native: openNative };

const pollMissing = 2000; // ms between looks for a stream that is not there
const pollEnded = 5000; // ms between looks for an ended stream that may go on
const stuckAfter = 8000; // ms without progress, though there is new media, until the player is started again
const beginWithin = 25000; // ms until the first picture, else the player is started again
const errorsKept = 50;

// stats is what the page knows, for people (the figures) and for tests (window.headwater).
const stats = {
  state: 'starting', // starting, waiting, playing, stalled, paused, ended, failed
  message: '',
  player: '',
  protocol: '',
  url: '',
  currentTime: 0,
  played: 0, // seconds of media played in all, over every restart of the player
  latency: null,
  stalls: 0,
  stalledSeconds: 0,
  bitrate: null,
  width: 0,
  height: 0,
  dropped: 0,
  frames: 0,
  buffer: 0,
  starts: 0, // times the player was started
  fatal: 0,
  errors: [],
};
globalThis.headwater = stats;

let current = null; // the open player
let begun = false; // it has shown a picture
let stalledSince = 0;

const pause = (ms, signal) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
});

function say(state, message, bad = false) {
  stats.state = state;
  stats.message = message;
  $('message').textContent = message;
  $('message').classList.toggle('bad', bad);
}

function remember(words, details, fatal) {
  const at = new Date().toISOString();
  stats.errors.push({ at, words, details, fatal });
  if (fatal) stats.fatal++;
  if (stats.errors.length > errorsKept) stats.errors.shift();
  const item = document.createElement('li');
  item.textContent = `${at.slice(11, 19)} ${words} (${details})`;
  const list = $('errors');
  list.append(item);
  while (list.children.length > errorsKept) list.firstChild.remove();
  $('errors-count').textContent = String(stats.errors.length);
}

// look asks for the manifest once and says why it cannot be played yet, or '' when it can.
async function look(url, signal) {
  try {
    const response = await fetch(url, { cache: 'no-store', signal });
    if (response.ok) {
      await response.text();
      return '';
    }
    const body = await response.json().catch(() => ({}));
    if (typeof body.message === 'string' && body.message !== '') return body.message;
    if (response.status === 404) return 'The stream is not there yet.';
    return `The origin answers ${response.status}.`;
  } catch {
    return 'The origin does not answer.';
  }
}

// clockOffset compares this machine's clock with the origin's, so that latency is true on a machine whose clock is not.
async function compareClocks(signal) {
  try {
    const before = Date.now();
    const response = await fetch('/time', { cache: 'no-store', signal });
    const there = Date.parse((await response.text()).trim());
    const after = Date.now();
    if (response.ok && Number.isFinite(there) && after - before < 2000) clock.offset = there - (before + after) / 2;
  } catch {
    // The figure is then as good as this machine's clock.
  }
}

// play runs one player until it has to be replaced and returns why: 'failed', 'stuck', 'again' (an ended stream goes on)
// or 'aborted'.
async function play(kind, url, signal) {
  begun = false;
  stats.starts++;
  let finish;
  const finished = new Promise((resolve) => { finish = resolve; });
  const poll = setInterval(async () => {
    // The last picture stays, and one can seek back, until there is something new.
    if (atEnd() && (await goesOn(kind, url, signal)) && atEnd()) finish('again');
  }, pollEnded);
  const report = {
    fatal(words, details) {
      remember(words, details, true);
      say('failed', words, true);
      finish('failed');
    },
    note(words, details) { remember(words, details, false); },
  };
  const ended = () => say('ended', 'The stream has ended.');
  const aborted = () => finish('aborted');
  video.addEventListener('ended', ended);
  signal.addEventListener('abort', aborted);
  const watchdog = watchProgress(() => {
    remember(begun ? 'The picture stood still although there is new media.' : 'Playback did not begin.', `at ${video.currentTime.toFixed(3)}`, false);
    finish('stuck');
  });
  try {
    current = await open[kind](video, url, report);
    if (current) stats.player = current.name;
    return await finished;
  } catch (error) {
    remember('The player could not be started.', String(error?.message ?? error), true);
    return 'failed';
  } finally {
    clearInterval(watchdog);
    clearInterval(poll);
    video.removeEventListener('ended', ended);
    signal.removeEventListener('abort', aborted);
    try {
      current?.destroy();
    } catch (error) {
      remember('The player did not stop cleanly.', String(error?.message ?? error), false);
    }
    current = null;
  }
}

// watchProgress calls stuck once when the playhead has not moved for a while although there is media to play or new
// media was announced meanwhile, when it has moved but the picture has not, or when no picture came at all.
function watchProgress(stuck) {
  let time = -1;
  let since = performance.now();
  let edge = '';
  let called = false;
  let pictures = 0;
  let unseen = 0; // seconds played since the last picture
  return setInterval(() => {
    const now = performance.now();
    const step = video.currentTime - time;
    const count = video.getVideoPlaybackQuality?.().totalVideoFrames ?? 0;
    if (count !== pictures || video.seeking || document.hidden) unseen = 0;
    else if (count > 0 && step > 0 && step < 2) unseen += step;
    pictures = count;
    if (!called && unseen * 1000 > stuckAfter) {
      called = true;
      stuck();
    }
    if (video.currentTime !== time || (video.paused && begun) || atEnd() || !current) {
      time = video.currentTime;
      since = now;
      edge = current?.edge() ?? '';
    } else if (!called && (now - since > stuckAfter && (ahead() > 0.5 || current.edge() !== edge) || !begun && now - since > beginWithin)) {
      called = true;
      stuck();
    }
  }, 500);
}

const atEnd = () => video.ended || (video.paused && video.duration - video.currentTime < 0.01);

// goesOn reports whether an ended stream is live again.
async function goesOn(kind, url, signal) {
  try {
    const response = await fetch(url, { cache: 'no-store', signal });
    if (!response.ok) return true; // gone: wait for what comes next
    const text = await response.text();
    if (kind === 'dash') return /<MPD[^>]*\stype="dynamic"/.test(text);
    const playlist = text.split('\n').find((line) => line !== '' && !line.startsWith('#'));
    if (!playlist) return false;
    const media = await fetch(new URL(playlist.trim(), new URL(url, location.origin)), { cache: 'no-store', signal });
    return !media.ok || !(await media.text()).includes('#EXT-X-ENDLIST');
  } catch {
    return true;
  }
}

// run is the page's life: it ends only when another source or player is chosen.
async function run(kind, url, signal) {
  stats.protocol = kind;
  stats.url = url;
  $('url').textContent = url;
  await compareClocks(signal);
  for (let wait = 500; !signal.aborted; wait = Math.min(wait * 2, 5000)) {
    for (let why; !signal.aborted && (why = await look(url, signal)) !== '';) {
      say('waiting', `${why} Looking again every ${pollMissing / 1000} seconds.`);
      await pause(pollMissing, signal);
    }
    if (signal.aborted) return;
    say('starting', 'Starting…');
    const from = performance.now();
    const why = await play(kind, url, signal);
    if (performance.now() - from > 20000) wait = 500;
    if (why === 'failed' || why === 'stuck') {
      say('waiting', `${stats.message || 'Playback stopped.'} Starting again.`, true);
      await pause(wait, signal);
    }
  }
}

const ahead = () => {
  for (let i = 0; i < video.buffered.length; i++) {
    if (video.buffered.start(i) <= video.currentTime + 0.1 && video.currentTime < video.buffered.end(i)) {
      return video.buffered.end(i) - video.currentTime;
    }
  }
  return 0;
};

function watchElement() {
  let last = 0;
  video.addEventListener('timeupdate', () => {
    const step = video.currentTime - last;
    last = video.currentTime;
    if (step > 0 && step < 2) stats.played += step;
  });
  video.addEventListener('playing', () => {
    begun = true;
    if (stalledSince) stats.stalledSeconds += (performance.now() - stalledSince) / 1000;
    stalledSince = 0;
    say('playing', current && !current.live() ? 'Playing the recording.' : 'Playing live.');
  });
  video.addEventListener('waiting', () => {
    if (!begun || video.seeking || stalledSince || !current) return;
    stalledSince = performance.now();
    stats.stalls++;
    say('stalled', 'Waiting for media…');
  });
  video.addEventListener('pause', () => {
    // dash.js may see the end before the element does, and pauses it a microsecond short of it.
    if (begun && atEnd()) say('ended', 'The stream has ended.');
    else if (begun) say('paused', 'Paused.');
  });
  video.addEventListener('emptied', () => { stalledSince = 0; });
}

const show = (id, text) => {
  const element = $(id);
  if (element.textContent !== text) element.textContent = text;
};

function figures() {
  const quality = video.getVideoPlaybackQuality?.();
  const finite = (value) => (Number.isFinite(value) ? value : null);
  stats.currentTime = video.currentTime;
  stats.latency = current && begun ? finite(current.latency()) : null;
  stats.bitrate = current ? finite(current.bitrate()) : null;
  stats.width = video.videoWidth;
  stats.height = video.videoHeight;
  stats.dropped = quality?.droppedVideoFrames ?? 0;
  stats.frames = quality?.totalVideoFrames ?? 0;
  stats.buffer = ahead();
  show('latency', stats.latency === null ? '–' : `${stats.latency.toFixed(2)} s`);
  show('stalls', stats.stalls === 0 ? '0' : `${stats.stalls} (${stats.stalledSeconds.toFixed(1)} s)`);
  show('bitrate', stats.bitrate === null ? '–' : `${(stats.bitrate / 1e6).toFixed(2)} Mbit/s`);
  show('resolution', stats.width ? `${stats.width} × ${stats.height}` : '–');
  show('dropped', stats.frames ? `${stats.dropped} of ${stats.frames}` : '–');
  show('buffer', `${stats.buffer.toFixed(2)} s`);
  show('rate', `${video.playbackRate.toFixed(2)}×`);
  show('player', stats.player || '–');
  show('state', stats.state);
}

function start() {
  $('native-choice').hidden = !hasNativeHLS();
  const query = new URLSearchParams(location.search);
  const source = query.has('src') ? parseSource(query.get('src'), location.origin) : null;
  const form = $('open');
  form.hidden = source !== null;
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    const text = $('path').value;
    if (parseSource(text, location.origin)) location.search = new URLSearchParams({ src: text });
    else say('failed', 'That is not a manifest of this origin: a path that begins with / and ends in .m3u8 or .mpd.', true);
  });
  if (!source) {
    $('stage').hidden = $('panel').hidden = $('choice').hidden = true;
    say('failed', query.has('src') ? 'The src in this page’s address is not a manifest of this origin.' : 'What would you like to watch?', query.has('src'));
    return;
  }

  let life = new AbortController();
  const begin = (kind) => {
    life.abort();
    life = new AbortController();
    const url = kind === 'dash' ? source.dash : source.hls;
    // One life after the other: the element belongs to one player at a time.
    finished = finished.then(() => run(kind, url, life.signal)).catch((error) => remember('The page failed.', String(error), true));
  };
  let finished = Promise.resolve();

  const wanted = query.get('player');
  let kind = wanted in open && (wanted !== 'native' || hasNativeHLS()) ? wanted : source.prefers;
  if ((kind === 'dash' ? source.dash : source.hls) === '') kind = source.prefers;
  for (const radio of document.querySelectorAll('input[name="player"]')) {
    radio.disabled = (radio.value === 'dash' ? source.dash : source.hls) === '';
    radio.checked = radio.value === kind;
    radio.addEventListener('change', () => {
      kind = radio.value;
      query.set('player', kind);
      history.replaceState(null, '', `?${query}`);
      begin(kind);
    });
  }
  $('live').addEventListener('click', () => {
    current?.toLive();
    video.play().catch(() => {});
  });
  $('restart').addEventListener('click', () => begin(kind));
  watchElement();
  setInterval(figures, 250);
  begin(kind);
}

start();
