// Plays ?src= with ?player= (hls or dash) and keeps in window.events what timed metadata the player fires and when:
// {kind, id, key, data, at (where it plays), start (when the event is), wall (the same as Unix ms)}. window.headwater is as
// in defaults.js.
const video = document.getElementById('video');
const query = new URLSearchParams(location.search);
const kind = query.get('player');
const stats = { state: 'starting', player: kind, currentTime: 0, played: 0, stalls: 0, fatal: 0, errors: [], starts: 1 };
globalThis.headwater = stats;
globalThis.events = [];

const text = (data) => {
  if (typeof data === 'string') return data;
  if (data instanceof ArrayBuffer || ArrayBuffer.isView(data)) {
    return Array.from(new Uint8Array(data.buffer ?? data), (b) => b.toString(16).padStart(2, '0')).join('');
  }
  return data === undefined ? '' : String(data);
};

const failed = (words, fatal) => {
  stats.errors.push({ words, details: '', fatal });
  if (!fatal) return;
  stats.fatal++;
  stats.state = 'failed';
};

const open = {
  hls() {
    const hls = new Hls();
    stats.player = `hls.js ${Hls.version}`;
    hls.on(Hls.Events.ERROR, (_, e) => failed(e.details, e.fatal));
    // Date ranges and ID3 become cues of a metadata track; a cue is entered when it plays.
    const entered = new Set();
    const watch = (track) => {
      if (track.kind !== 'metadata') return;
      track.addEventListener('cuechange', () => {
        for (const cue of track.activeCues ?? []) {
          const key = `${cue.id}|${cue.type}|${cue.value?.key}|${cue.startTime}`;
          if (entered.has(key)) continue;
          entered.add(key);
          events.push({
            kind: cue.type ?? '', id: cue.id ?? '', key: cue.value?.key ?? '', data: text(cue.value?.data ?? cue.value?.info),
            at: video.currentTime, start: cue.startTime, wall: (hls.playingDate?.getTime() ?? 0) + (cue.startTime - video.currentTime) * 1000,
          });
        }
      });
    };
    for (const track of video.textTracks) watch(track);
    video.textTracks.addEventListener('addtrack', (event) => watch(event.track));
    hls.loadSource(query.get('src'));
    hls.attachMedia(video);
  },
  dash() {
    const player = dashjs.MediaPlayer().create();
    stats.player = `dash.js ${dashjs.Version}`;
    player.updateSettings({ debug: { logLevel: 0 } });
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (e) => failed(e.error?.message ?? 'playback', true));
    for (const scheme of ['urn:scte:scte35:2013:bin', 'urn:scte:scte35:2014:xml+bin', 'https://aomedia.org/emsg/ID3', 'urn:com:adobe:dpi:simple:2015']) {
      player.on(scheme, ({ event }) => events.push({
        kind: scheme, id: String(event.id), key: '', data: text(event.messageData?.Signal?.Binary ?? event.messageData),
        at: video.currentTime, start: event.calculatedPresentationTime, wall: 0,
      }));
    }
    player.initialize(video, query.get('src'), true);
  },
};

video.addEventListener('playing', () => { stats.state = 'playing'; });
let last = 0;
const script = document.createElement('script');
script.src = { hls: '/watch/hls.min.js', dash: '/watch/dash.mediaplayer.min.js' }[kind];
script.onload = () => {
  open[kind]();
  setInterval(() => {
    const step = video.currentTime - last;
    last = video.currentTime;
    if (step > 0 && step < 2) stats.played += step;
    stats.currentTime = last;
  }, 100);
};
document.head.append(script);
