// Plays ?src= with Shaka and reports like the watch page does, in window.headwater.
const video = document.getElementById('video');
const query = new URLSearchParams(location.search);
const stats = { state: 'starting', player: `shaka ${shaka.Player.version}`, currentTime: 0, played: 0, latency: null, stalls: 0, fatal: 0, errors: [], width: 0, frames: 0, dropped: 0, starts: 1 };
globalThis.headwater = stats;

let last = 0;
let begun = false;
video.addEventListener('timeupdate', () => {
  const step = video.currentTime - last;
  last = video.currentTime;
  if (step > 0 && step < 2) stats.played += step;
});
video.addEventListener('playing', () => { begun = true; stats.state = 'playing'; });
video.addEventListener('waiting', () => {
  if (!begun || video.seeking) return;
  stats.stalls++;
  stats.state = 'stalled';
});
video.addEventListener('ended', () => { stats.state = 'ended'; });

const failed = (error) => {
  // Anything but a recoverable error of Shaka's own is fatal.
  const fatal = error?.severity !== shaka.util.Error.Severity.RECOVERABLE;
  const words = error?.code ? `code ${error.code} category ${error.category}` : String(error);
  stats.errors.push({ words, details: JSON.stringify(error?.data ?? []).slice(0, 300), fatal });
  if (stats.errors.length > 20) stats.errors.shift();
  if (fatal) {
    stats.fatal++;
    stats.state = 'failed';
  }
};

(async () => {
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  player.addEventListener('error', (event) => failed(event.detail));
  player.configure('streaming.lowLatencyMode', query.get('ll') === '1');
  setInterval(() => {
    stats.currentTime = video.currentTime;
    stats.width = video.videoWidth;
    const quality = video.getVideoPlaybackQuality();
    stats.frames = quality.totalVideoFrames;
    stats.dropped = quality.droppedVideoFrames;
    const latency = player.getStats().liveLatency;
    stats.latency = player.isLive() && Number.isFinite(latency) ? latency : null;
  }, 250);
  await player.load(query.get('src'));
  await video.play();
})().catch(failed);
