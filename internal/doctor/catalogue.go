package doctor

// Code names a finding. It never changes its meaning.
type Code string

// The codes.
const (
	Stall              Code = "connection-stall"
	Jitter             Code = "connection-jitter"
	TooSlow            Code = "upload-too-slow"
	TooFast            Code = "faster-than-real-time"
	ClockDrift         Code = "clock-drift"
	TimestampsJump     Code = "timestamps-jump"
	TimestampsBackward Code = "timestamps-backward"
	CompositionEarly   Code = "composition-before-decoding"
	MessagesDropped    Code = "messages-dropped"
	MediaRepaired      Code = "media-repaired"

	VideoStopped       Code = "video-stopped"
	FrameRateLow       Code = "frame-rate-low"
	FrameRateHigh      Code = "frame-rate-high"
	FrameRateMismatch  Code = "frame-rate-mismatch"
	FrameRateIrregular Code = "frame-rate-irregular"
	FramesMissing      Code = "frames-missing"
	NoKeyFrame         Code = "key-frames-none"
	KeyFramesRare      Code = "key-frames-rare"
	KeyFramesIrregular Code = "key-frames-irregular"
	KeyFramesOften     Code = "key-frames-often"
	OpenGOP            Code = "open-gop"
	BFrames            Code = "b-frames"
	OddSize            Code = "resolution-odd"
	Interlaced         Code = "interlaced"
	ProfileLimited     Code = "profile-limited"
	Baseline           Code = "profile-baseline"
	LevelLow           Code = "level-too-low"
	CodecLimited       Code = "video-codec-limited"

	BitrateLow   Code = "bitrate-low"
	BitrateHigh  Code = "bitrate-above-declared"
	BitratePeaks Code = "bitrate-peaks"
	BitrateMuch  Code = "bitrate-high"

	AudioMissing      Code = "audio-missing"
	AudioStopped      Code = "audio-stopped"
	AudioSilent       Code = "audio-silent"
	AudioRate         Code = "audio-sample-rate"
	AudioMono         Code = "audio-mono"
	AudioSurround     Code = "audio-surround"
	AudioCodecLimited Code = "audio-codec-limited"
	AudioGaps         Code = "audio-gaps"
	AudioOverlap      Code = "audio-overlap"
	AVSkew            Code = "av-skew"
	AVDrift           Code = "av-drift"
)

// Advice is what the catalogue knows of a code.
type Advice struct {
	Severity    Severity
	Consequence string // what it does to viewers
	OBS         string // what to change in OBS
	FFmpeg      string // what to change in ffmpeg
}

const (
	obsStreaming = "Settings → Output → Streaming (Output Mode: Advanced)"
)

// catalogue says for each code what it means and what to change. Nobody changes it.
var catalogue = map[Code]Advice{
	Stall: {Error, "Viewers run out of picture and wait, low-latency viewers first.",
		"Use a cable instead of Wi-Fi. Settings → Advanced → Network: Dynamically change bitrate to manage congestion; or lower Bitrate in " + obsStreaming + ".",
		"Lower -b:v, -maxrate and -bufsize; look at speed= in its log: below 1 the machine is too slow (-preset faster)."},
	Jitter: {Warning, "Players need more buffer than the low latency leaves them; some pause now and then.",
		"Use a cable. Lower Bitrate in " + obsStreaming + "; Settings → Advanced → Network: Enable network optimizations (Windows).",
		"Lower -b:v and -maxrate; set -bufsize to the same as -maxrate or less; add -flush_packets 1."},
	TooSlow: {Error, "Viewers stop again and again: there is less media than time.",
		"Lower Bitrate in " + obsStreaming + " to three quarters of the upload; if the status bar says that encoding is overloaded, choose a faster CPU Usage Preset or a hardware encoder.",
		"If speed= in its log is below 1, use a faster -preset or a smaller -s; else lower -b:v and -maxrate."},
	TooFast: {Warning, "The live edge runs ahead of time; players that keep to the clock lose their place.",
		"OBS does not do this with its own sources: look for a plugin that plays a file.",
		"Add -re before -i when the input is a file."},
	ClockDrift: {Warning, "Over hours players that keep to the clock run out of media or fall behind.",
		"Settings → Video: choose the frame rate of the camera exactly (29.97 is not 30); Settings → Audio: the Sample Rate that the sound device really has.",
		"Take the timestamps of the capture device's clock as they are: leave out -use_wallclock_as_timestamps, and setpts and asetpts filters that count."},
	TimestampsJump: {Error, "Every jump is a discontinuity: players stop briefly, some start again.",
		"Stop switching the stream's time: give media sources \"Restart playback when source becomes active\" off, and update plugins that send streams.",
		"Add -fflags +genpts before -i and -avoid_negative_ts make_zero; for playlists of files use the concat filter instead of the concat demuxer."},
	TimestampsBackward: {Warning, "Frames are moved to fit, so that motion is not smooth.",
		"Choose another encoder in " + obsStreaming + ", or update the graphics driver; switch StreamFX off.",
		"Re-encode (-c:v libx264) instead of -c copy, or add -fps_mode cfr; add -fflags +genpts before -i."},
	CompositionEarly: {Warning, "Some players show such pictures late or in the wrong order.",
		"Update the encoder's plugin, or choose another encoder in " + obsStreaming + "; set Max B-frames to 0.",
		"Add -bf 0, or re-encode instead of -c copy."},
	MessagesDropped: {Warning, "What was in those messages is not in the stream: a second track, or broken frames.",
		"Send one video and one audio track: Multitrack Video and Enhanced Broadcasting off in Settings → Stream.",
		"Send one video and one audio stream: -map 0:v:0 -map 0:a:0."},
	MediaRepaired: {Information, "What was wrong was mended; viewers may notice a short irregularity.",
		"Nothing, unless it goes on: then restart the stream.", "Nothing, unless it goes on: then restart ffmpeg."},

	VideoStopped: {Error, "Viewers see a still picture.",
		"Look at the encoder and the source: Stop Streaming and Start Streaming; update the graphics driver.", "Look at the input: ffmpeg gets no pictures from it."},
	FrameRateLow: {Warning, "Motion is jerky; below 5 frames a second there are no parts, and so no low latency.",
		"Settings → Video → Common FPS Values: 25, 30, 50 or 60.", "-r 30 (or 25, 50, 60) behind the input."},
	FrameRateHigh: {Information, "Many devices decode or show 60 frames a second at most.",
		"Settings → Video → Common FPS Values: 60 or less.", "-r 60 behind the input."},
	FrameRateMismatch: {Warning, "Players and segments are planned for another rate than comes; parts are uneven.",
		"Settings → Video → Common FPS Values: the rate that the camera has.", "-r RATE before -i as the source has it, or -fps_mode cfr -r RATE behind it."},
	FrameRateIrregular: {Warning, "Motion is not smooth, and parts are uneven.",
		"Settings → Video → Common FPS Values: a fixed rate; for phones and capture plugins switch variable frame rate off.", "Add -fps_mode cfr -r RATE behind the input."},
	FramesMissing: {Warning, "Motion stutters.",
		"Watch Stats (Docks menu): frames missed by rendering lag, skipped by encoding lag, or dropped by the network. Faster CPU Usage Preset, fewer sources, or lower Bitrate.",
		"A faster -preset, or lower -b:v; look at drop= and speed= in its log."},
	NoKeyFrame: {Error, "Nobody can begin to watch; segments are cut where no decoder can start.",
		obsStreaming + ": Keyframe Interval 2 s (not 0).", "-g FPS*2 -keyint_min FPS*2, for example -g 60 -keyint_min 60 at 30 fps; not -x264-params keyint=infinite or intra-refresh=1."},
	KeyFramesRare: {Warning, "Viewers wait longer for the first picture; segments are cut between key frames, where players cannot start or change.",
		obsStreaming + ": Keyframe Interval 2 s (0 is auto: up to 10 s).", "-g FPS*2 -keyint_min FPS*2 -sc_threshold 0, for example -g 60 -keyint_min 60 at 30 fps; or -force_key_frames \"expr:gte(t,n_forced*2)\"."},
	KeyFramesIrregular: {Warning, "Segments have different lengths: latency varies, and DVR and clips are cut unevenly.",
		obsStreaming + ": Keyframe Interval 2 s; for x264 add scenecut=0 to x264 Options, for NVENC switch Look-ahead off.", "-g FPS*2 -keyint_min FPS*2 -sc_threshold 0."},
	KeyFramesOften: {Warning, "Key frames take most of the bit rate: the picture is worse than it could be.",
		obsStreaming + ": Keyframe Interval 2 s.", "-g FPS*2, for example -g 60 at 30 fps; not -intra or -g 1."},
	OpenGOP: {Warning, "A player that starts or seeks there shows broken or missing pictures first; with H.264 segments cannot begin there at all.",
		"x264 Options: open-gop=0 intra-refresh=0 (" + obsStreaming + ").", "-flags +cgop for H.264 (-x264-params open-gop=0:intra-refresh=0), -x265-params open-gop=0 for HEVC."},
	BFrames: {Information, "The latency is longer by that much.",
		obsStreaming + ": x264 Tune zerolatency, or bframes=0 in x264 Options; NVENC: Max B-frames 0.", "-bf 0, or -tune zerolatency."},
	OddSize: {Warning, "Many decoders refuse such pictures or show a coloured edge.",
		"Settings → Video → Output (Scaled) Resolution: one with even numbers, such as 1280x720.", "-vf scale=trunc(iw/2)*2:trunc(ih/2)*2."},
	Interlaced: {Warning, "Browsers show combs at moving edges; some devices do not decode it.",
		"Deinterlace the source (right click → Deinterlacing → Yadif 2x), and set no interlaced option in x264 Options.", "-vf yadif, and not -flags +ildct+ilme."},
	ProfileLimited: {Error, "Phones, Safari and hardware decoders do not play it.",
		"Settings → Advanced → Color Format: NV12; " + obsStreaming + ": Profile high.", "-pix_fmt yuv420p -profile:v high."},
	Baseline: {Information, "The picture is worse than Main or High gives at the same bit rate.",
		obsStreaming + ": Profile high or main.", "-profile:v high."},
	LevelLow: {Warning, "Devices that trust the level may refuse the stream or run out of memory for it.",
		"Take level=… out of x264 Options (" + obsStreaming + "): x264 finds the right one.", "Leave -level out, or give the one that is needed."},
	CodecLimited: {Warning, "Viewers with other browsers get no picture.",
		obsStreaming + ": Video Encoder x264, or a hardware H.264.", "-c:v libx264."},

	BitrateLow: {Warning, "The picture is worse than planned; usually the encoder or the upload does not keep up, or the picture stands still.",
		"Rate Control CBR in " + obsStreaming + "; lower Bitrate to what the upload takes.", "-b:v and -maxrate to what the upload takes; -x264-params nal-hrd=cbr fills up still pictures."},
	BitrateHigh: {Warning, "Viewers whose line is as fast as declared stop to buffer.",
		"Rate Control CBR in " + obsStreaming + ".", "-b:v RATE -maxrate RATE -bufsize RATE, not -crf or -qp alone."},
	BitratePeaks: {Warning, "At each peak viewers with less bandwidth stop to buffer.",
		"Rate Control CBR in " + obsStreaming + ", Buffer Size the same as Bitrate.", "-maxrate RATE -bufsize RATE with the same RATE as -b:v."},
	BitrateMuch: {Information, "Nothing is transcoded: every viewer needs a line that fast.",
		"Bitrate in " + obsStreaming + ": 6000 Kbps for 1080p is common.", "-b:v 6M -maxrate 6M -bufsize 6M."},

	AudioMissing: {Warning, "Viewers hear nothing.",
		"Settings → Audio → Global Audio Devices: choose Desktop Audio or Mic/Aux; look at the Audio Mixer. " + obsStreaming + ": Audio Track 1.", "Add -map 0:a or an input with sound, and -c:a aac; leave out -an."},
	AudioStopped: {Error, "Viewers hear nothing from then on.",
		"Look at the Audio Mixer and at the cable of the sound device; restart the stream.", "Look at the audio input: ffmpeg gets no sound from it."},
	AudioSilent: {Warning, "Viewers hear nothing.",
		"Look at the Audio Mixer: a source may be muted, or its Audio Track (Advanced Audio Properties) not the one that is streamed.", "Look at the audio input (-filter:a volumedetect); leave out anullsrc and volume=0."},
	AudioRate: {Warning, "Some devices resample badly or do not play it.",
		"Settings → Audio → Sample Rate: 48 kHz.", "-ar 48000."},
	AudioMono: {Information, "Viewers hear the same on both sides.",
		"Settings → Audio → Channels: Stereo.", "-ac 2."},
	AudioSurround: {Warning, "Browsers mix it down, each in its own way; some phones play only the front.",
		"Settings → Audio → Channels: Stereo.", "-ac 2."},
	AudioCodecLimited: {Warning, "Viewers with other browsers hear nothing.",
		obsStreaming + ": Audio Encoder AAC.", "-c:a aac."},
	AudioGaps: {Warning, "The sound has short holes.",
		"Use the same Sample Rate in OBS and in the system's settings of the sound device; close what takes the processor.", "-af aresample=async=1."},
	AudioOverlap: {Warning, "The sound clicks.",
		"Use the same Sample Rate in OBS and in the system's settings of the sound device.", "-af aresample=async=1."},
	AVSkew: {Warning, "Sound and picture may not be together; look at the preview. If they are, the encoder only sends one late, and players start later.",
		"Advanced Audio Properties → Sync Offset; for cameras a Video Delay (Async) filter.", "-itsoffset SECONDS before the -i of the one that is early; for files -max_interleave_delta 0."},
	AVDrift: {Warning, "Sound and picture part more and more; Headwater moves the sound back in small steps.",
		"Use the same Sample Rate in OBS and in the system's settings of the sound device; for media sources the clock of the device (Use Device Timestamps).", "-af aresample=async=1."},
}

// Codes returns what the catalogue knows.
func Codes() map[Code]Advice {
	all := make(map[Code]Advice, len(catalogue))
	for c, a := range catalogue {
		all[c] = a
	}
	return all
}
