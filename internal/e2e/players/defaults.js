// Plays ?src= with ?player= (hls, dash or shaka) as a page of somebody else's does, with the player's own defaults, and
// reports like the watch page in window.headwater. ?ll=1 is Shaka's low-latency mode.
const video = document.getElementById('video');
const query = new URLSearchParams(location.search);
const kind = query.get('player');
const src = query.get('src');
const stats = { state: 'starting', player: kind, currentTime: 0, played: 0, latency: null, stalls: 0, fatal: 0, errors: [], width: 0, frames: 0, dropped: 0, starts: 1 };
globalThis.headwater = stats;

const scripts = {
  hls: '/watch/hls.min.js',
  dash: '/watch/dash.mediaplayer.min.js',
  shaka: '/node_modules/shaka-player/dist/shaka-player.compiled.js',
};

function failed(words, details, fatal) {
  stats.errors.push({ words, details: String(details).slice(0, 300), fatal });
  if (stats.errors.length > 20) stats.errors.shift();
  if (!fatal) return;
  stats.fatal++;
  stats.state = 'failed';
}

const open = {
  hls() {
    const hls = new Hls();
    stats.player = `hls.js ${Hls.version}`;
    hls.on(Hls.Events.ERROR, (_, e) => failed(e.details, e.error?.message ?? '', e.fatal));
    hls.loadSource(src);
    hls.attachMedia(video);
    return () => hls.latency;
  },
  dash() {
    const player = dashjs.MediaPlayer().create();
    stats.player = `dash.js ${dashjs.Version}`;
    player.on(dashjs.MediaPlayer.events.ERROR, (e) => failed(`code ${e.error?.code}`, e.error?.message ?? '', false));
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (e) => failed('playback', e.error?.message ?? '', true));
    player.updateSettings({ debug: { logLevel: 0 } });
    player.initialize(video, src, true);
    return () => player.getCurrentLiveLatency();
  },
  shaka() {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    stats.player = `shaka ${shaka.Player.version}`;
    const error = (e) => failed(`code ${e?.code ?? e} category ${e?.category}`, JSON.stringify(e?.data ?? []), e?.severity !== shaka.util.Error.Severity.RECOVERABLE);
    player.addEventListener('error', (event) => error(event.detail));
    player.configure('streaming.lowLatencyMode', query.get('ll') === '1');
    player.attach(video).then(() => player.load(src)).then(() => video.play()).catch(error);
    return () => player.getStats().liveLatency;
  },
};

video.addEventListener('playing', () => { stats.state = 'playing'; });
video.addEventListener('waiting', () => {
  if (stats.state !== 'playing') return;
  stats.stalls++;
  stats.state = 'stalled';
});
video.addEventListener('ended', () => { stats.state = 'ended'; });

let last = 0;
function look(latency) {
  const step = video.currentTime - last;
  last = video.currentTime;
  if (step > 0 && step < 2) stats.played += step;
  const quality = video.getVideoPlaybackQuality();
  const l = latency();
  Object.assign(stats, {
    currentTime: last, width: video.videoWidth, frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
    latency: Number.isFinite(l) ? l : null,
  });
}

const script = document.createElement('script');
script.src = scripts[kind];
script.onload = () => {
  const latency = open[kind]();
  setInterval(() => look(latency), 100);
};
document.head.append(script);
