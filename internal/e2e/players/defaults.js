// Plays ?src= with ?player= (hls, dash or shaka) as a page of somebody else's does, with the player's own defaults, and
// reports like the watch page in window.headwater. ?ll=1 is Shaka's low-latency mode; ?count=1 counts closely (count.js).
// window.player moves in the window: {window(): [from, to] in seconds as currentTime counts them, date(): ms of currentTime,
// seek(to), toLive()}.
const video = document.getElementById('video');
const query = new URLSearchParams(location.search);
const kind = query.get('player');
const src = query.get('src');
const stats = { state: 'starting', player: kind, seeks: 0, currentTime: 0, played: 0, latency: null, stalls: 0, fatal: 0, errors: [], width: 0, frames: 0, dropped: 0, starts: 1 };
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
    const details = () => hls.latestLevelDetails;
    return {
      latency: () => hls.latency,
      window: () => [details().fragmentStart, details().edge],
      date: () => hls.playingDate?.getTime(),
      seek: (to) => { video.currentTime = to; },
      toLive: () => { video.currentTime = hls.liveSyncPosition; },
    };
  },
  dash() {
    const player = dashjs.MediaPlayer().create();
    stats.player = `dash.js ${dashjs.Version}`;
    player.on(dashjs.MediaPlayer.events.ERROR, (e) => failed(`code ${e.error?.code}`, e.error?.message ?? '', false));
    player.on(dashjs.MediaPlayer.events.PLAYBACK_ERROR, (e) => failed('playback', e.error?.message ?? '', true));
    player.updateSettings({ debug: { logLevel: 0 } });
    player.initialize(video, src, true);
    return {
      latency: () => player.getCurrentLiveLatency(),
      window: () => { const w = player.getDvrWindow(); return [w.start, w.end]; },
      date: () => player.timeAsUTC() * 1000,
      seek: (to) => player.seekToPresentationTime(to), // which takes back that it is to follow the live edge
      toLive: () => player.seekToOriginalLive(),
    };
  },
  shaka() {
    shaka.polyfill.installAll();
    const player = new shaka.Player();
    globalThis.shakaPlayer = player;
    stats.player = `shaka ${shaka.Player.version}`;
    const error = (e) => failed(`code ${e?.code ?? e} category ${e?.category}`, JSON.stringify(e?.data ?? []), e?.severity !== shaka.util.Error.Severity.RECOVERABLE);
    player.addEventListener('error', (event) => error(event.detail));
    player.configure('streaming.lowLatencyMode', query.get('ll') === '1');
    player.attach(video).then(() => player.load(src)).then(() => video.play()).catch(error);
    return {
      latency: () => player.getStats().liveLatency,
      window: () => { const w = player.seekRange(); return [w.start, w.end]; },
      date: () => player.getPlayheadTimeAsDate()?.getTime(),
      seek: (to) => { video.currentTime = to; },
      toLive: () => player.goToLive(),
    };
  },
};

video.addEventListener('playing', () => { stats.state = 'playing'; });
video.addEventListener('waiting', () => {
  if (stats.state !== 'playing' || video.seeking) return;
  stats.stalls++;
  stats.state = 'stalled';
});
video.addEventListener('seeked', () => { stats.seeks++; });
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
script.onload = async () => {
  if (query.get('count') === '1') (await import('./count.js')).count(video, stats);
  globalThis.player = open[kind]();
  setInterval(() => look(globalThis.player.latency), 100);
};
document.head.append(script);
