package lint

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// fixture is a little presentation that breaks no rule, until a case changes it.
type fixture struct {
	multivariant  string
	before, after string // two snapshots of the video playlist
	audio         string
	waited        time.Duration // between the two
	recorded      string
	exchanges     map[string]*Exchange // by what they were for
	objects       []*Object
	first, second string // two snapshots of the MPD
	iframes       string
	rates         []*Rate
	pace          cadence
	static        string
}

var noon = time.Date(2026, 11, 25, 12, 0, 20, 0, time.UTC)

const (
	where   = "https://live.example/show/"
	control = "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12,HOLD-BACK=6,PART-HOLD-BACK=1.5\n"
)

// livePlaylist lists segments of 2 s; the last two with parts of 0.5 s, and open parts of the next. Segment 11 is a
// discontinuity.
func livePlaylist(from, last, open int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n%s#EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:%d\n#EXT-X-DISCONTINUITY-SEQUENCE:4\n", control, from)
	part := func(n, i int) {
		independent := ""
		if i == 0 {
			independent = ",INDEPENDENT=YES"
		}
		fmt.Fprintf(&b, "#EXT-X-PART:DURATION=0.5,URI=\"part-%d-%d.m4s\"%s\n", n, i, independent)
	}
	for n := from; n <= last+1; n++ {
		if n == 11 {
			b.WriteString("#EXT-X-DISCONTINUITY\n")
		}
		if n == from || n == 11 {
			fmt.Fprintf(&b, "#EXT-X-MAP:URI=\"init-%d.mp4\"\n", min(1, n/11))
		}
		fmt.Fprintf(&b, "#EXT-X-PROGRAM-DATE-TIME:2026-11-25T12:00:%02d.000Z\n", 2*(n-10))
		if n == last+1 {
			for i := range open {
				part(n, i)
			}
			fmt.Fprintf(&b, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part-%d-%d.m4s\"\n", n, open)
			break
		}
		if n > last-2 {
			for i := range 4 {
				part(n, i)
			}
		}
		fmt.Fprintf(&b, "#EXTINF:2.00000,\nseg-%d.m4s\n", n)
	}
	fmt.Fprintf(&b, "#EXT-X-RENDITION-REPORT:URI=\"audio.m3u8\",LAST-MSN=%d,LAST-PART=%d\n", last+1, open-1)
	return b.String()
}

const goodMultivariant = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-INDEPENDENT-SEGMENTS\n" +
	"#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"sound\",LANGUAGE=\"und\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"audio.m3u8\"\n" +
	"#EXT-X-STREAM-INF:BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2500000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO=\"aud\",CLOSED-CAPTIONS=NONE\nvideo.m3u8\n" +
	"#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=300000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"iframes.m3u8\"\n"

const goodMPD = `<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic" profiles="urn:mpeg:dash:profile:isoff-live:2011" availabilityStartTime="2026-11-25T12:00:00Z" publishTime="2026-11-25T12:00:19Z" minimumUpdatePeriod="PT1S" minBufferTime="PT1S" timeShiftBufferDepth="PT30S" suggestedPresentationDelay="PT3S">
<ServiceDescription><Latency target="3000"/></ServiceDescription>
<Period id="p0" start="PT0S"><AdaptationSet id="1" contentType="video" mimeType="video/mp4">
<ProducerReferenceTime id="0" type="encoder"/>
<SegmentTemplate timescale="1000" media="seg-$Number$.m4s" initialization="init.mp4" startNumber="5" availabilityTimeOffset="1.5" availabilityTimeComplete="false">
<SegmentTimeline><S t="10000" d="2000" r="3"/><S t="18000" d="2000"/></SegmentTimeline></SegmentTemplate>
<Representation id="v1" codecs="avc1.64001f" bandwidth="3000000" width="1280" height="720" frameRate="30"/></AdaptationSet></Period>
<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/></MPD>`

func newFixture() *fixture {
	f := &fixture{
		multivariant: goodMultivariant, before: livePlaylist(10, 16, 2), after: livePlaylist(12, 18, 1), audio: strings.ReplaceAll(livePlaylist(12, 18, 1), "audio.m3u8", "video.m3u8"),
		waited: 4 * time.Second, first: goodMPD, static: goodMPD,
		recorded: "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.00000,\nseg-0.m4s\n#EXTINF:1.50000,\nseg-1.m4s\n#EXT-X-ENDLIST\n",
	}
	f.iframes = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:2\n#EXT-X-I-FRAMES-ONLY\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MAP:URI=\"init.mp4\"\n#EXTINF:2.00000,\n#EXT-X-BYTERANGE:900@0\nseg-0.m4s\n#EXT-X-ENDLIST\n"
	for _, mpd := range []bool{false, true} {
		r := &Rate{URL: where, Name: "v1", MPD: mpd, Live: true, Peak: 3e6, Average: 2.5e6, Codecs: "avc1.64001f,mp4a.40.2", Formats: []string{"avc1", "mp4a"}}
		r.Measured.Peak, r.Measured.Average, r.Measured.Seconds = 2.9e6, 2.4e6, 120
		f.rates = append(f.rates, r)
	}
	f.pace = cadence{total: 40, late: 3}
	f.after = strings.Replace(f.after, "DISCONTINUITY-SEQUENCE:4", "DISCONTINUITY-SEQUENCE:5", 1)
	f.after = strings.Replace(f.after, `MAP:URI="init-1.mp4"`, `MAP:URI="init-1.mp4"`, 1)
	f.second = strings.NewReplacer(`12:00:19Z`, `12:00:21Z`, `<S t="18000" d="2000"/>`, `<S t="18000" d="2000" r="1"/>`).Replace(goodMPD)
	f.static = strings.NewReplacer(`type="dynamic"`, `type="static" mediaPresentationDuration="PT10S"`, ` minimumUpdatePeriod="PT1S"`, "").Replace(goodMPD)
	f.exchanges = map[string]*Exchange{}
	for _, k := range []string{forMultivariant, forPlaylist, forMPD, forInit, forSegment, forPart, forHint, probeMissing, probeHead, probeRange, probeIdentity, probePast, probeFar, probeNoMSN, probeSkip, probeRemoved, probeParts, probeNext, probeTogether, forIFrames, forPicture, forFlight} {
		x := &Exchange{For: k, URL: where + strings.ReplaceAll(k, " ", "-"), Status: 200, Header: http.Header{}, Size: 3000, Whole: 3000, Live: true, Target: 2, Proto: 2}
		x.Header.Set("Access-Control-Allow-Origin", "*")
		x.Header.Set("Cache-Control", "max-age=31536000")
		x.Header.Set("Content-Type", "video/mp4")
		switch k {
		case forMultivariant, forPlaylist, forMPD, probeIdentity:
			x.Gzipped = k != probeIdentity
			x.Header.Set("Vary", "Accept-Encoding")
			x.Header.Set("Cache-Control", "no-cache")
			x.Header.Set("Content-Type", "application/vnd.apple.mpegurl")
		case probeMissing:
			x.Status = 404
			x.Header.Set("Cache-Control", "no-store")
		case probeFar, probeNoMSN:
			x.Status = 400
			x.Header.Set("Cache-Control", "no-store")
		case probeTogether:
			x.PartTarget, x.After = 0.5, 20*time.Millisecond
		case forFlight:
			x.First, x.Took = 10*time.Millisecond, 900*time.Millisecond
		case probeRange:
			x.Status, x.Size = 206, 10
		case probeHead:
			x.Header.Set("Content-Length", "3000")
		}
		f.exchanges[k] = x
	}
	f.exchanges[forMPD].Header.Set("Content-Type", "application/dash+xml")
	f.exchanges[forPlaylist].List = parsePlaylist(where+"video.m3u8", f.after)
	f.exchanges[probeNext].List, f.exchanges[probeNext].WantMSN, f.exchanges[probeNext].WantPart = parsePlaylist(where, f.after), 19, 0
	f.exchanges[probePast].List = parsePlaylist(where, f.after)
	long := livePlaylist(12, 25, 1)
	f.exchanges[probeSkip].Before, f.exchanges[probeSkip].List = parsePlaylist(where, long), parsePlaylist(where, skip(long, 8, 9))
	init := &Init{Tracks: 1, Timescale: 1000, Kind: "video", Fragments: true, Format: "avc1"}
	f.objects = []*Object{
		{URL: where + "init.mp4", For: forInit, Init: init, PrevEnd: -1, ListedStart: -1},
		{URL: where + "seg.m4s", For: forSegment, Init: init, Declared: 2, Fragments: 4, Trafs: 1, Start: 8000, End: 10000, Sync: true, PrevEnd: 8000, ListedStart: 8000, TrackID: 1,
			Dated: true, DateOff: 0.01, DASH: true, Declares: []string{"urn:cue"}, Inband: true,
			Events: []Event{{Version: 1, Scheme: "urn:cue", Timescale: 1000}}, Clocks: []Clock{{Track: 1, NTP: 3_973_000_000 << 32, Media: 8000}}},
		{URL: where + "seg-0.m4s", For: forPicture, Init: init, Fragments: 1, Trafs: 1, Start: 0, End: 33, Sync: true, PrevEnd: -1, ListedStart: -1},
	}
	return f
}

// skip makes a delta update that leaves out n segments, all without parts.
func skip(full string, n, version int) string {
	segments := strings.SplitAfter(full, ".m4s\n")
	head, rest := segments[0], segments[n:]
	at := strings.Index(head, "#EXT-X-MAP")
	head = strings.Replace(head[:at], "VERSION:6", fmt.Sprintf("VERSION:%d", version), 1)
	return head + fmt.Sprintf("#EXT-X-SKIP:SKIPPED-SEGMENTS=%d\n", n) + strings.Join(rest, "")
}

// judge runs all rules over the fixture and returns those that are broken.
func (f *fixture) judge() []string {
	j := newJudge()
	j.multivariant(parseMultivariant(where+"master.m3u8", f.multivariant))
	list := func(name, text string, at time.Time) *Playlist {
		p := parsePlaylist(where+name, text)
		p.At, p.NewAt, p.Demuxed = at, at, true
		return p
	}
	before, after := list("video.m3u8", f.before, noon), list("video.m3u8", f.after, noon.Add(f.waited))
	j.list(nil, before)
	j.list(before, after)
	j.set([]*Playlist{after, list("audio.m3u8", f.audio, noon.Add(f.waited))})
	j.list(nil, list("recorded.m3u8", f.recorded, noon))
	j.list(list("recorded.m3u8", f.recorded, noon), list("recorded.m3u8", strings.Replace(f.recorded, "#RESTARTED\n#EXT-X-ENDLIST\n", "", 1), noon))
	for _, x := range f.exchanges {
		j.exchange(x)
	}
	for _, o := range f.objects {
		j.object(o)
	}
	j.trick(&Trick{List: list("iframes.m3u8", f.iframes, noon), Media: after})
	j.pace(where, &f.pace)
	for _, r := range f.rates {
		j.rate(r)
	}
	mpd := func(text string, at time.Time) *Manifest {
		m := parseMPD(where+"manifest.mpd", []byte(text))
		m.At = at
		return m
	}
	first := mpd(f.first, noon)
	j.manifest(nil, first)
	j.manifest(first, mpd(f.second, noon.Add(2*time.Second)))
	j.manifest(nil, mpd(f.static, noon))
	var r Report
	j.fill(&r)
	var ids []string
	for _, f := range r.Findings {
		ids = append(ids, f.Rule)
	}
	slices.Sort(ids)
	return ids
}

func TestFixtureBreaksNothing(t *testing.T) {
	if ids := newFixture().judge(); len(ids) > 0 {
		j := newFixture()
		t.Fatalf("%v\n%s\n%s", ids, j.before, j.after)
	}
}
