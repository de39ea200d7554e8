package lint

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// edit changes a text, which has to have what is changed.
func edit(text *string, pairs ...string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		if !strings.Contains(*text, pairs[i]) {
			panic("the fixture has no " + pairs[i])
		}
		*text = strings.ReplaceAll(*text, pairs[i], pairs[i+1])
	}
}

// lists edits all snapshots of the live presentation alike.
func (f *fixture) lists(pairs ...string) {
	edit(&f.before, pairs...)
	edit(&f.after, pairs...)
	edit(&f.audio, pairs...)
}

func (f *fixture) mpds(pairs ...string) {
	edit(&f.first, pairs...)
	edit(&f.second, pairs...)
}

func mv(pairs ...string) func(*fixture) { return func(f *fixture) { edit(&f.multivariant, pairs...) } }
func iframes(pairs ...string) func(*fixture) {
	return func(f *fixture) { edit(&f.iframes, pairs...) }
}
func both(pairs ...string) func(*fixture) { return func(f *fixture) { f.lists(pairs...) } }
func then(pairs ...string) func(*fixture) { return func(f *fixture) { edit(&f.after, pairs...) } }
func mpds(pairs ...string) func(*fixture) { return func(f *fixture) { f.mpds(pairs...) } }
func later(pairs ...string) func(*fixture) {
	return func(f *fixture) { edit(&f.second, pairs...) }
}

// ranges adds date ranges.
func ranges(all ...string) func(*fixture) {
	return then("#EXT-X-PRELOAD-HINT", "#EXT-X-DATERANGE:"+strings.Join(all, "\n#EXT-X-DATERANGE:")+"\n#EXT-X-PRELOAD-HINT")
}

func got(kind string, change func(*Exchange)) func(*fixture) {
	return func(f *fixture) { change(f.exchanges[kind]) }
}

func answered(kind string, status int) func(*fixture) {
	return got(kind, func(x *Exchange) {
		x.Status = status
		if status >= 400 {
			x.Header.Set("Cache-Control", "no-store")
		}
	})
}

func header(kind, name, value string) func(*fixture) {
	return got(kind, func(x *Exchange) {
		x.Header.Del(name)
		if value != "" {
			x.Header.Set(name, value)
		}
	})
}

func segment(change func(*Object)) func(*fixture) {
	return func(f *fixture) { change(f.objects[1]) }
}

// violations has for each rule something that breaks it, and it alone.
func violations() map[string][]func(*fixture) {
	type list = []func(*fixture)
	return map[string]list{
		"MV-SYNTAX": {mv("#EXTM3U\n", "\ufeff#EXTM3U\n"), mv("#EXTM3U\n", "\n#EXTM3U\n"), mv(`CODECS="avc1.64001f,mp4a.40.2"`, `CODECS=avc1`), mv("CAPTIONS=NONE", "CAPTIONS=NONE, X=1"), mv("CAPTIONS=NONE", "CAPTIONS=NONE,CLOSED-CAPTIONS=NONE"),
			mv("\nvideo.m3u8", "\nvideo.m3u8\n#EXT-X-TARGETDURATION:2"), mv("FRAME-RATE=30.000", `FRAME-RATE="30.000"`), mv("\nvideo.m3u8", "\nvideo.m3u8\nother.m3u8"), mv(`URI="audio.m3u8"`, `URI="audio.m3u8`)},
		"MV-BW":     {mv("BANDWIDTH=3000000,AVERAGE-BANDWIDTH=2500000", "AVERAGE-BANDWIDTH=2500000")},
		"MV-AVGBW":  {mv("AVERAGE-BANDWIDTH=2500000,", ""), mv("AVERAGE-BANDWIDTH=2500000", "AVERAGE-BANDWIDTH=3500000")},
		"MV-CODECS": {mv(`CODECS="avc1.64001f,mp4a.40.2",`, "")},
		"MV-RES":    {mv("RESOLUTION=1280x720,", "")},
		"MV-FPS":    {mv("FRAME-RATE=30.000,", "")},
		"MV-GROUP":  {mv(`AUDIO="aud"`, `AUDIO="other"`), mv("CLOSED-CAPTIONS=NONE", `CLOSED-CAPTIONS="cc"`)},
		"MV-MEDIA":  {mv(`NAME="sound",`, ""), mv("AUTOSELECT=YES", "AUTOSELECT=NO"), mv("#EXT-X-STREAM-INF", "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"aud\",NAME=\"sound\",LANGUAGE=\"en\"\n#EXT-X-STREAM-INF"), mv("#EXT-X-STREAM-INF", "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"s\",NAME=\"s\",LANGUAGE=\"en\"\n#EXT-X-STREAM-INF")},
		"MV-LANG":   {mv(`LANGUAGE="und",`, "")},
		"MV-CC":     {mv(",CLOSED-CAPTIONS=NONE", "")},
		"MV-INDEP":  {mv("#EXT-X-INDEPENDENT-SEGMENTS\n", "")},

		"MV-IFRAME-ATTR": {mv(`,RESOLUTION=640x360,URI="iframes`, `,URI="iframes`), mv(`,CODECS="avc1.64001f",RESOLUTION`, `,RESOLUTION`), mv(`BANDWIDTH=300000,`, "")},
		"IF-ONLY":        {iframes("#EXT-X-I-FRAMES-ONLY\n", ""), iframes("VERSION:6", "VERSION:3")},
		"IF-TD":          {iframes("TARGETDURATION:2", "TARGETDURATION:3")},
		"IF-KEY": {func(f *fixture) { f.objects[2].Sync = false }, func(f *fixture) { f.objects[2].Cut = true }, func(f *fixture) {
			f.objects[2].Err = "there is no moof in it"
		}},
		"MV-BW-PEAK":      {func(f *fixture) { f.rates[0].Measured.Peak = 3.8e6 }, func(f *fixture) { f.rates[0].Measured.Peak, f.rates[0].Live = 3.4e6, false }},
		"MV-AVG-REAL":     {func(f *fixture) { f.rates[0].Measured.Average = 2.8e6 }, func(f *fixture) { f.rates[0].Measured.Average = 1e6 }},
		"MPD-BW-REAL":     {func(f *fixture) { f.rates[1].Measured.Peak = 5e6 }, func(f *fixture) { f.rates[1].Measured.Peak = 1e6 }},
		"MV-CODECS-ALL":   {func(f *fixture) { f.rates[0].Codecs = "avc1.64001f" }, func(f *fixture) { f.rates[0].Formats[0] = "hvc1" }},
		"MPD-CODECS-TRUE": {func(f *fixture) { f.rates[1].Codecs = "hvc1.1.6.L93,mp4a.40.2" }},
		"LL-BLOCK-FAST":   {got(probeTogether, func(x *Exchange) { x.After = time.Second }), got(probeTogether, func(x *Exchange) { x.After = -time.Second })},
		"LL-CADENCE":      {func(f *fixture) { f.pace.late = 5 }},
		"CMAF-EMSG":       {segment(func(o *Object) { o.Events[0].Timescale = 0 }), segment(func(o *Object) { o.Events[0].Version = 0; o.DASH = false; o.Inband = false }), segment(func(o *Object) { o.Events[0].Version = 2 }), segment(func(o *Object) { o.Misplaced = `a "emsg" between moof and mdat` })},
		"MPD-EVENT":       {segment(func(o *Object) { o.Declares = nil })},
		"CMAF-PRFT":       {segment(func(o *Object) { o.Clocks[0].Track = 2 }), segment(func(o *Object) { o.Clocks[0].NTP = 0 }), segment(func(o *Object) { o.Clocks[0].Media = 20000 }), segment(func(o *Object) { o.Misplaced = `a "prft" behind the last fragment` })},
		"LLD-PRFT":        {segment(func(o *Object) { o.Clocks = nil })},
		"LLD-FLOW":        {answered(forFlight, 404), got(forFlight, func(x *Exchange) { x.First = 890 * time.Millisecond })},
		"MP-PDT-TFDT":     {segment(func(o *Object) { o.DateOff = -0.2 })},

		"MP-SYNTAX":     {both("INDEPENDENT=YES", "INDEPENDENT=YES, X=1"), both("#EXTINF:2.00000,", "#EXTINF:2.00000"), both("12:00:10.000Z", "12:00:10.000"), both("#EXTM3U\n", ""), both("#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-MEDIA:TYPE=AUDIO\n")},
		"MP-VERSION":    {both("VERSION:6", "VERSION:5")},
		"MP-TD":         {both("#EXT-X-TARGETDURATION:2\n", "", ",HOLD-BACK=6", "", ",CAN-SKIP-UNTIL=12", "")},
		"MP-EXTINF-MAX": {func(f *fixture) { edit(&f.recorded, "EXTINF:2.0", "EXTINF:2.5") }},
		"MP-PTYPE":      {func(f *fixture) { edit(&f.recorded, "#EXT-X-PLAYLIST-TYPE:VOD\n", "") }},
		"MP-DSEQ": {func(f *fixture) {
			edit(&f.before, "#EXT-X-DISCONTINUITY-SEQUENCE:4\n", "")
			edit(&f.after, "DISCONTINUITY-SEQUENCE:5", "DISCONTINUITY-SEQUENCE:1")
		}},
		"MP-WINDOW": {func(f *fixture) {
			f.before, f.after, f.audio = livePlaylist(17, 18, 1), livePlaylist(17, 18, 2), livePlaylist(17, 18, 2)
			edit(&f.audio, "audio.m3u8", "video.m3u8")
		}},
		"MP-PDT":        {func(f *fixture) { stripDates(&f.before); stripDates(&f.after); stripDates(&f.audio) }},
		"MP-PDT-EXTINF": {both("12:00:10.000Z", "12:00:10.400Z")},
		"MP-MAP":        {func(f *fixture) { edit(&f.recorded, "#EXT-X-MAP:URI=\"init.mp4\"\n", "") }},
		"MP-DATERANGE": {ranges(`START-DATE="2026-11-25T12:00:04Z"`), ranges(`ID="a"`), ranges(`ID="a",START-DATE="2026-11-25T12:00:04Z",DURATION=-1`), ranges(`ID="a",START-DATE="2026-11-25T12:00:04Z",END-ON-NEXT=YES`),
			ranges(`ID="a",START-DATE="2026-11-25T12:00:04Z",DURATION=1`, `ID="a",START-DATE="2026-11-25T12:00:04Z",DURATION=2`)},
		"MP-MAP-DISC": {func(f *fixture) { edit(&f.recorded, "#EXTINF:1.5", "#EXT-X-MAP:URI=\"init-2.mp4\"\n#EXTINF:1.5") }},
		"MP-TD-CONST": {func(f *fixture) {
			edit(&f.iframes, "TARGETDURATION:2", "TARGETDURATION:3")
			edit(&f.after, "TARGETDURATION:2", "TARGETDURATION:3", ",HOLD-BACK=6", ",HOLD-BACK=9", "UNTIL=12", "UNTIL=18")
			edit(&f.audio, "TARGETDURATION:2", "TARGETDURATION:3", ",HOLD-BACK=6", ",HOLD-BACK=9", "UNTIL=12", "UNTIL=18")
		}},
		"LL-PT-CONST": {func(f *fixture) {
			for _, text := range []*string{&f.after, &f.audio} {
				edit(text, "PART-TARGET=0.5\n", "PART-TARGET=0.51\n", "BACK=1.5", "BACK=1.6")
			}
		}},
		"MP-MSEQ": {func(f *fixture) {
			f.before, f.after = livePlaylist(14, 19, 2), livePlaylist(13, 19, 3)
			f.audio = f.after
			edit(&f.audio, "audio.m3u8", "video.m3u8")
		},
			func(f *fixture) {
				f.before, f.after = livePlaylist(14, 20, 2), livePlaylist(14, 19, 3)
				f.audio = f.after
				edit(&f.audio, "audio.m3u8", "video.m3u8")
				f.waited = time.Second
			}},
		"MP-STABLE":   {then("\nseg-14.m4s", "\nseg-14x.m4s"), then("#EXTINF:2.00000,\nseg-14", "#EXTINF:2.00100,\nseg-14"), then("\nseg-14.m4s", "\n#EXT-X-GAP\nseg-14.m4s"), then("12:00:08.000Z", "12:00:08.050Z"), then(`init-1.mp4`, `init-2.mp4`)},
		"MP-DSEQ-SET": {then("DISCONTINUITY-SEQUENCE:5", "DISCONTINUITY-SEQUENCE:4")},
		"MP-UPDATE": {func(f *fixture) {
			f.after, f.waited = f.before, 6*time.Second
			f.audio = strings.ReplaceAll(f.before, "audio.m3u8", "video.m3u8")
		}},
		"MP-END": {func(f *fixture) { edit(&f.before, "#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT") }},

		"LL-PARTINF":    {both("#EXT-X-PART-INF:PART-TARGET=0.5\n", "")},
		"LL-BLOCKTAG":   {both("CAN-BLOCK-RELOAD=YES,", "")},
		"LL-PHB":        {both("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9"), both(",PART-HOLD-BACK=1.5", "")},
		"LL-PHB3":       {both("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.2")},
		"LL-HB":         {both(",HOLD-BACK=6", ",HOLD-BACK=5")},
		"LL-SKIPUNTIL":  {both("UNTIL=12", "UNTIL=11.9")},
		"LL-PART-MAX":   {then("DURATION=0.5,URI=\"part-18-3", "DURATION=0.501,URI=\"part-18-3")},
		"LL-PART-85":    {then("DURATION=0.5,URI=\"part-18-1", "DURATION=0.42,URI=\"part-18-1", "DURATION=0.5,URI=\"part-18-2", "DURATION=0.5,URI=\"part-18-2", "#EXTINF:2.00000,\nseg-18", "#EXTINF:1.92000,\nseg-18")},
		"LL-PART-SUM":   {then("#EXTINF:2.00000,\nseg-18", "#EXTINF:1.96000,\nseg-18")},
		"LL-PART-INDEP": {then("\"part-18-0.m4s\",INDEPENDENT=YES", "\"part-18-0.m4s\"")},
		"MP-ORDER":      {then("#EXT-X-PRELOAD-HINT", "#EXT-X-PROGRAM-DATE-TIME:2026-11-25T12:00:18.000Z\n#EXT-X-PRELOAD-HINT")},
		"LL-HINT":       {func(f *fixture) { stripHint(&f.before); stripHint(&f.after); stripHint(&f.audio) }},
		"LL-HINT-ONE":   {both("#EXT-X-RENDITION-REPORT", "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"other.m4s\"\n#EXT-X-RENDITION-REPORT")},
		"LL-RR":         {func(f *fixture) { stripReport(&f.before); stripReport(&f.after); stripReport(&f.audio) }},
		"LL-HINT-TRUE": {func(f *fixture) {
			f.before = livePlaylist(12, 18, 1)
			f.after = livePlaylist(12, 18, 3)
			edit(&f.before, `TYPE=PART,URI="part-19-1`, `TYPE=PART,URI="part-19-x`)
			f.waited = time.Second
			f.audio = strings.ReplaceAll(f.after, "audio.m3u8", "video.m3u8")
		}},
		"MP-TD-SAME":  {func(f *fixture) { edit(&f.audio, "TARGETDURATION:2", "TARGETDURATION:3") }},
		"LL-CTRLSAME": {func(f *fixture) { edit(&f.audio, ",HOLD-BACK=6", ",HOLD-BACK=7") }},
		"LL-RR-TRUE":  {then("LAST-MSN=19", "LAST-MSN=10"), then("URI=\"audio.m3u8\"", "URI=\"nowhere.m3u8\"")},

		"LL-BLOCK":      {got(probeNext, func(x *Exchange) { x.WantMSN = 20 }), got(probeNext, func(x *Exchange) { x.WantPart = 1 }), answered(probeNext, 503)},
		"LL-BLOCK-PAST": {answered(probePast, 400), got(probePast, func(x *Exchange) { x.Took = 5 * time.Second })},
		"LL-400-FAR":    {answered(probeFar, 200)},
		"LL-400-NOMSN":  {answered(probeNoMSN, 200)},
		"LL-SKIP":       {got(probeSkip, func(x *Exchange) { x.List.Version = 6 }), got(probeSkip, func(x *Exchange) { x.List = parsePlaylist(where, skip(livePlaylist(12, 25, 1), 9, 9)) }), got(probeSkip, func(x *Exchange) { x.List.MSN -= 2 }), got(probeSkip, func(x *Exchange) { x.List.Segments[1].URI = "other" })},
		"LL-SKIP-OFFER": {got(probeSkip, func(x *Exchange) { x.List = x.Before })},
		"LL-HINT-GET":   {answered(forHint, 500)},
		"LL-HINT-BURST": {got(forHint, func(x *Exchange) { x.First, x.Took = 10*time.Millisecond, 400*time.Millisecond })},
		"LL-PART-BYTES": {got(probeParts, func(x *Exchange) { x.Size-- }), got(probeParts, func(x *Exchange) { x.Differs = true })},

		"MP-SEG":        {answered(forSegment, 404), answered(forPart, 500), answered(forInit, 404)},
		"MP-SEG-KEEP":   {answered(probeRemoved, 404)},
		"HTTP-CORS":     {header(forPlaylist, "Access-Control-Allow-Origin", ""), header(forSegment, "Access-Control-Allow-Origin", "")},
		"HTTP-CORS-ERR": {header(probeMissing, "Access-Control-Allow-Origin", "")},
		"PL-CT":         {header(forPlaylist, "Content-Type", "text/plain")},
		"MPD-CT":        {header(forMPD, "Content-Type", "text/xml")},
		"PL-GZIP":       {got(forPlaylist, func(x *Exchange) { x.Gzipped = false })},
		"HTTP-VARY":     {header(forPlaylist, "Vary", "Origin")},
		"HTTP-IDENTITY": {header(probeIdentity, "Content-Encoding", "gzip")},
		"HTTP-GZIP-SEG": {got(forSegment, func(x *Exchange) { x.Gzipped = true })},
		"HTTP-CT-SEG":   {header(forSegment, "Content-Type", "application/octet-stream")},
		"HTTP-CC-PL":    {header(forPlaylist, "Cache-Control", "public, max-age=10")},
		"HTTP-CC-SEG":   {header(forSegment, "Cache-Control", "private, no-cache"), header(forSegment, "Cache-Control", "")},
		"HTTP-CC-404":   {header(probeMissing, "Cache-Control", "max-age=60"), header(probeMissing, "Cache-Control", "")},
		"HTTP-404":      {answered(probeMissing, 200), answered(probeMissing, 500)},
		"HTTP-HEAD":     {answered(probeHead, 404), header(probeHead, "Content-Length", "7")},
		"HTTP-RANGE":    {answered(probeRange, 200)},
		"HTTP-REDIR":    {got(forSegment, func(x *Exchange) { x.Hops = 1 })},
		"HTTP-H2":       {got(forPlaylist, func(x *Exchange) { x.Proto = 1 })},

		"CMAF-INIT":      {func(f *fixture) { f.objects[0].Err = "no moov" }, func(f *fixture) { f.objects[0].Init = &Init{Tracks: 1, Timescale: 1} }, func(f *fixture) { f.objects[0].Init = &Init{Timescale: 1, Fragments: true} }, func(f *fixture) { f.objects[0].Init = &Init{Tracks: 1, Fragments: true} }},
		"CMAF-PARSE":     {segment(func(o *Object) { *o = Object{For: forSegment, Err: "garbage", PrevEnd: -1, ListedStart: -1} })},
		"CMAF-TFDT":      {segment(func(o *Object) { o.NoTime = true })},
		"CMAF-ONETRAF":   {segment(func(o *Object) { o.Trafs = 2 })},
		"CMAF-CONT":      {segment(func(o *Object) { o.PrevEnd = 7990 }), segment(func(o *Object) { o.Inside = "fragment 2" })},
		"CMAF-IDR":       {segment(func(o *Object) { o.Sync = false })},
		"MP-EXTINF-TRUE": {segment(func(o *Object) { o.Declared = 2.2 })},
		"TL-TRUE":        {segment(func(o *Object) { o.ListedStart = 9000 })},

		"MPD-SYNTAX": {func(f *fixture) { f.static = "<MPD" }, func(f *fixture) {
			f.static = "<MPD></MPD>"
			edit(&f.static, "<MPD>", `<MPD profiles="p" minBufferTime="PT1S" mediaPresentationDuration="PT1S">`)
		}},
		"MPD-TYPE": {func(f *fixture) { edit(&f.static, ` mediaPresentationDuration="PT10S"`, "") }, func(f *fixture) {
			edit(&f.static, ` mediaPresentationDuration`, ` minimumUpdatePeriod="PT1S" mediaPresentationDuration`)
		}},
		"MPD-AST":       {mpds(` availabilityStartTime="2026-11-25T12:00:00Z"`, "")},
		"MPD-PUB":       {func(f *fixture) { edit(&f.first, ` publishTime="2026-11-25T12:00:19Z"`, "") }},
		"MPD-MUP":       {mpds(` minimumUpdatePeriod="PT1S"`, "")},
		"MPD-UTC":       {mpds(`<UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-iso:2014" value="/time"/>`, "")},
		"MPD-ATTR":      {mpds(` minBufferTime="PT1S"`, ""), mpds(` profiles="urn:mpeg:dash:profile:isoff-live:2011"`, "")},
		"MPD-TSBD":      {mpds(` timeShiftBufferDepth="PT30S"`, "")},
		"MPD-SPD":       {mpds(` suggestedPresentationDelay="PT3S"`, ""), mpds(`Delay="PT3S"`, `Delay="PT40S"`)},
		"MPD-IDS":       {mpds(` id="p0"`, ""), mpds(`Representation id="v1"`, "Representation")},
		"MPD-CODECS":    {mpds(` codecs="avc1.64001f"`, "")},
		"MPD-BW":        {mpds(` bandwidth="3000000"`, "")},
		"MPD-VIDEO":     {mpds(` frameRate="30"`, "")},
		"LLD-ATO":       {mpds(`availabilityTimeOffset="1.5"`, `availabilityTimeOffset="2"`)},
		"LLD-ATC":       {mpds(` availabilityTimeComplete="false"`, "")},
		"LLD-SD":        {mpds(`<Latency target="3000"/>`, "")},
		"LLD-PRT":       {mpds(`<ProducerReferenceTime id="0" type="encoder"/>`, "")},
		"TL-GAP":        {mpds(`<S t="18000"`, `<S t="18010"`)},
		"TL-DUR":        {func(f *fixture) { edit(&f.static, `<S t="18000" d="2000"/>`, `<S t="18000"/>`) }},
		"AVAIL-EARLY":   {mpds(`Start`+`Time="2026-11-25T12:00:00Z"`, `StartTime="2026-11-25T12:00:30Z"`)},
		"AVAIL-LATE":    {mpds(`StartTime="2026-11-25T12:00:00Z"`, `StartTime="2026-11-25T11:00:00Z"`)},
		"MPD-AST-CONST": {later(`StartTime="2026-11-25T12:00:00Z"`, `StartTime="2026-11-25T12:00:01Z"`)},
		"MPD-PUB-RISES": {later(`12:00:21Z`, `12:00:11Z`)},
		"TL-STABLE":     {later(`<S t="10000" d="2000" r="3"/>`, `<S t="10000" d="2000" r="2"/><S t="16000" d="1000"/><S t="17000" d="1000"/>`)},
		"MPD-PERIOD":    {later(`Representation id="v1"`, `Representation id="v2"`)},
	}
}

// strip removes the lines that begin with some text.
func strip(text *string, start string) {
	var b strings.Builder
	for line := range strings.Lines(*text) {
		if !strings.HasPrefix(line, start) {
			b.WriteString(line)
		}
	}
	*text = b.String()
}

func stripDates(text *string)  { strip(text, "#EXT-X-PROGRAM-DATE-TIME") }
func stripHint(text *string)   { strip(text, "#EXT-X-PRELOAD-HINT") }
func stripReport(text *string) { strip(text, "#EXT-X-RENDITION-REPORT") }

// TestRules: for each rule there are fixtures that break it and nothing else.
func TestRules(t *testing.T) {
	all := violations()
	for _, r := range Rules() {
		cases := all[r.ID]
		if len(cases) == 0 {
			t.Errorf("%s: nothing breaks it", r.ID)
		}
		for i, change := range cases {
			f := newFixture()
			change(f)
			if broken := f.judge(); !slices.Equal(broken, []string{r.ID}) {
				t.Errorf("%s, case %d: broken are %v", r.ID, i, broken)
			}
		}
		delete(all, r.ID)
	}
	for id := range all {
		t.Errorf("there is no rule %s", id)
	}
}

// TestRulesExplained: every rule says what it is, whom it hurts, where it is written and what to do, and is in docs/lint.md.
func TestRulesExplained(t *testing.T) {
	doc, err := os.ReadFile("../../docs/lint.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, r := range Rules() {
		if r.Says == "" || r.Hurts == "" || r.Clause == "" || r.Fix == "" || r.Level != Must && r.Level != Should || seen[r.ID] {
			t.Errorf("%s is not explained, or there twice", r.ID)
		}
		seen[r.ID] = true
		if line := "| " + r.ID + " | " + string(r.Level) + " | " + r.Says + " | " + r.Hurts + " | " + r.Clause + " |"; !strings.Contains(string(doc), line) {
			t.Errorf("docs/lint.md has no line\n%s", line)
		}
	}
	if n := strings.Count(string(doc), " | MUST | ") + strings.Count(string(doc), " | SHOULD | "); n != len(seen) {
		t.Errorf("docs/lint.md has %d rules, there are %d", n, len(seen))
	}
}
