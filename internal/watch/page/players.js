// The three ways to play, behind one shape:
//
//   { name, latency(): seconds or NaN, bitrate(): bit/s or NaN, edge(): anything that changes when new media was announced,
//     live(): boolean, toLive(), destroy() }
//
// report.fatal(words, details) is called at most once and ends the player's life; report.note(words, details) any number
// of times.

const scripts = new Map();

// script loads one of the vendored players once.
function script(src) {
  if (!scripts.has(src)) {
    scripts.set(src, new Promise((resolve, reject) => {
      const element = document.createElement('script');
      element.src = src;
      element.onload = resolve;
      element.onerror = () => {
        scripts.delete(src);
        element.remove();
        reject(new Error(`${src} did not load`));
      };
      document.head.append(element);
    }));
  }
  return scripts.get(src);
}

// now is the origin's time in ms; set by the page.
export const clock = { offset: 0, now() { return Date.now() + this.offset; } };

// With "cmcd" in its address the page tells the origin how it plays (CTA-5004): in the query, as players elsewhere do.
const cmcd = new URLSearchParams(location.search).has('cmcd');

export const hasNativeHLS = () => document.createElement('video').canPlayType('application/vnd.apple.mpegurl') !== '';

export async function openHLS(video, url, report) {
  await script('hls.min.js');
  const Hls = globalThis.Hls;
  if (!Hls.isSupported()) {
    if (hasNativeHLS()) return openNative(video, url, report);
    report.fatal('This browser has no Media Source Extensions, which HLS playback needs.', 'not supported');
    return null;
  }
  const hls = new Hls({
    lowLatencyMode: true,
    enableWorker: true,
    // A little faster than real time after a stall, so that latency comes back by itself.
    maxLiveSyncPlaybackRate: 1.1,
    backBufferLength: 60,
    cmcd: cmcd ? {} : undefined,
  });
  let edge = '';
  let live = true;
  let recoveries = 0;
  hls.on(Hls.Events.LEVEL_UPDATED, (_, data) => {
    live = data.details.live;
    edge = `${data.details.endSN}.${data.details.lastPartIndex}.${live}`;
  });
  hls.on(Hls.Events.ERROR, (_, data) => {
    const details = [data.details, data.response?.code, data.error?.message].filter(Boolean).join(' ');
    const words = hlsWords(Hls, data);
    if (!data.fatal) {
      if (data.details !== Hls.ErrorDetails.BUFFER_STALLED_ERROR) report.note(words, details);
    } else if (data.type === Hls.ErrorTypes.MEDIA_ERROR && recoveries++ < 2) {
      report.note(words + ' Trying again.', details);
      hls.recoverMediaError();
    } else {
      report.fatal(words, details);
    }
  });
  hls.loadSource(url);
  hls.attachMedia(video);
  return {
    name: `hls.js ${Hls.version}`,
    latency: () => (live && hls.playingDate ? (clock.now() - hls.playingDate.getTime()) / 1000 : NaN),
    bitrate: () => hls.levels[hls.currentLevel]?.bitrate ?? NaN,
    edge: () => edge,
    live: () => live,
    toLive: () => {
      const position = hls.liveSyncPosition;
      if (position) video.currentTime = position;
    },
    destroy: () => hls.destroy(),
  };
}

function hlsWords(Hls, data) {
  if (data.type === Hls.ErrorTypes.NETWORK_ERROR) {
    const code = data.response?.code;
    if (code === 404 || code === 410) return 'The origin no longer has what the player asked for.';
    if (code === 503) return 'The origin has nothing new at the moment.';
    if (code >= 400) return `The origin refused a request (${code}).`;
    if (/PARSING/i.test(data.details)) return 'The playlist could not be understood.';
    return 'The origin did not answer in time.';
  }
  if (data.type === Hls.ErrorTypes.MEDIA_ERROR) return 'The browser had trouble decoding the media.';
  return 'The player reported a problem.';
}

// Codes of dash.js errors after which it does not go on by itself: the manifest cannot be loaded, parsed or played.
const dashFatal = new Set([10, 11, 12, 20, 22, 25, 31, 34, 35]);

export async function openDASH(video, url, report) {
  await script('dash.mediaplayer.min.js');
  const { MediaPlayer, Version } = globalThis.dashjs;
  // The element's autoplay starts it: dash.js never refreshes the manifest when play() is called before its first one.
  const player = MediaPlayer().create();
  const events = MediaPlayer.events;
  let edge = '';
  let live = true;
  player.updateSettings({
    debug: { logLevel: 0 },
    streaming: {
      liveCatchup: { enabled: true },
      cmcd: { enabled: cmcd, mode: 'query' },
      // Never another host's clock, which is the default when the manifest names none.
      utcSynchronization: { defaultTimingSource: { scheme: 'urn:mpeg:dash:utc:http-iso:2014', value: new URL('/time', location.origin).href } },
      buffer: { bufferToKeep: 30 },
      retryAttempts: { MPD: 5 },
      retryIntervals: { MPD: 1000 },
    },
  });
  player.on(events.MANIFEST_LOADED, (e) => {
    const mpd = e.data;
    if (!mpd) return;
    live = mpd.type === 'dynamic';
    edge = `${mpd.publishTime ?? ''}.${mpd.type}`;
  });
  player.on(events.ERROR, (e) => {
    const error = e.error ?? {};
    const details = `dash.js error ${error.code ?? ''} ${error.message ?? ''}`.trim();
    if (dashFatal.has(error.code)) report.fatal('The manifest could not be loaded or understood.', details);
    else report.note('The player could not load a piece of media.', details);
  });
  player.on(events.PLAYBACK_ERROR, (e) => {
    report.fatal('The browser had trouble decoding the media.', `media error ${e.error?.code ?? ''} ${e.error?.message ?? ''}`.trim());
  });
  player.initialize(video, new URL(url, location.origin).href, true);
  const seeks = tellSeeks(video, player, () => live);
  return {
    name: `dash.js ${Version}`,
    latency: () => {
      if (!live || !player.isReady()) return NaN;
      const wall = player.timeAsUTC();
      return wall > 1e9 ? clock.now() / 1000 - wall : player.getCurrentLiveLatency();
    },
    bitrate: () => {
      if (!player.isReady()) return NaN;
      const of = (type) => player.getCurrentRepresentationForType(type)?.bandwidth ?? 0;
      return of('video') + of('audio') || NaN;
    },
    edge: () => edge,
    live: () => live,
    toLive: () => {
      seeks.forget();
      player.seekToOriginalLive();
    },
    destroy: () => {
      seeks.stop();
      player.destroy();
    },
  };
}

// tellSeeks tells dash.js what the browser's controls do to the element: without it, it takes a viewer who went back for one
// who fell behind, and seeks to the live edge again. It never goes back by itself. forget says that the viewer is at the edge.
function tellSeeks(video, player, live) {
  let last = 0; // where it played
  let back = false; // the viewer went back
  let told = NaN;
  const played = () => { if (!video.seeking) last = video.currentTime; };
  const seeking = () => {
    const to = video.currentTime;
    back = back || to < last - 1;
    if (!back || !live() || Math.abs(to - told) < 0.01) return;
    told = to + 0.001; // another time: a seek to where it is does nothing
    player.seekToPresentationTime(told);
  };
  video.addEventListener('timeupdate', played);
  video.addEventListener('seeking', seeking);
  return {
    forget() { back = false; },
    stop() {
      video.removeEventListener('timeupdate', played);
      video.removeEventListener('seeking', seeking);
    },
  };
}

export function openNative(video, url, report) {
  const failed = () => {
    report.fatal('The browser could not play the stream.', `media error ${video.error?.code ?? ''} ${video.error?.message ?? ''}`.trim());
  };
  video.addEventListener('error', failed);
  video.src = url;
  video.play().catch(() => {});
  const date = () => video.getStartDate?.().getTime() ?? NaN;
  return {
    name: 'browser',
    latency: () => (clock.now() - date()) / 1000 - video.currentTime,
    bitrate: () => NaN,
    edge: () => (video.seekable.length ? video.seekable.end(video.seekable.length - 1) : 0),
    live: () => video.duration === Infinity,
    toLive: () => {
      if (video.seekable.length) video.currentTime = video.seekable.end(video.seekable.length - 1);
    },
    destroy: () => {
      video.removeEventListener('error', failed);
      video.removeAttribute('src');
      video.load();
    },
  };
}
