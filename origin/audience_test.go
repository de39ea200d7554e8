package origin

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

// edge is a View whose open segment 7 begins at 14 s, with a part that ends at 14.4 s.
func edgeView(anchor time.Time) *media.View {
	const scale = 1000
	return &media.View{Anchor: anchor, Renditions: []media.Rendition{{Name: "v1", Timescale: scale,
		Segments: []media.Segment{{Number: 5, Start: 10 * scale, Duration: 2 * scale}, {Number: 6, Start: 12 * scale, Duration: 2 * scale}}, Open: &media.Segment{Number: 7, Start: 14 * scale},
		Parts: []media.Part{{PartID: media.PartID{Number: 7, Part: 0}, Start: 14 * scale, Duration: 400}}}}}
}

// TestAudience: viewers are told apart by session, else by address and player; what they say is added up, and what is old is
// forgotten.
func TestAudience(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 1, 0, 0, time.UTC)
	crowd := NewCrowd(func() time.Time { return now })
	a, b := crowd.NewAudience(), crowd.NewAudience()
	v := edgeView(now.Add(-16 * time.Second))
	ask := func(a *Audience, addr, agent, cmcd string, ref media.Ref) {
		r := httptest.NewRequest(http.MethodGet, "/x.m4s?CMCD="+url.QueryEscape(cmcd), nil)
		r.RemoteAddr = addr
		r.Header.Set("User-Agent", agent)
		a.asked(r, v, ref)
	}
	seg := media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Number: 6}
	for range 3 {
		ask(a, "192.0.2.1:1", "one", "", seg)
		ask(a, "192.0.2.1:2", "one", "", seg) // another connection
		ask(a, "192.0.2.1:1", "two", "", seg)
		ask(a, "192.0.2.2:1", "one", `sid="s1",br=3000,bl=2000,ot=v`, seg)
		ask(a, "192.0.2.3:1", "one", `sid="s1",br=128,ot=a,bs`, seg) // the same viewer
		ask(b, "192.0.2.3:1", "one", `sid="s1",ltc=1500`, seg)
	}
	w := a.Read(now)
	if w.Viewers != 3 || w.Requests != 15 || w.Reports != 6 || w.Stalls != 3 || w.Bitrate != 3_000_000 || w.Buffer != 2*time.Second {
		t.Errorf("%+v", w)
	}
	if w.Latency != 6*time.Second { // it asks for what began 4 s ago and has 2 s
		t.Errorf("latency %v", w.Latency)
	}
	if w = b.Read(now); w.Latency != 1500*time.Millisecond {
		t.Errorf("latency %v", w.Latency)
	}
	if n := Viewers(now, a, b); n != 3 {
		t.Errorf("%d viewers of both", n)
	}
	for part, want := range map[int]time.Duration{0: 2 * time.Second, 1: 1600 * time.Millisecond} { // there, and hinted at
		c := crowd.NewAudience()
		ask(c, "192.0.2.9:1", "x", `bl=0`, media.Ref{Rendition: "v1", Kind: media.ObjectPart, Number: 7, Part: part})
		if w := c.Read(now); w.Latency != want {
			t.Errorf("part %d: latency %v", part, w.Latency)
		}
	}
	now = now.Add(spellTime + time.Second)
	ask(a, "192.0.2.7:1", "one", "", seg)
	if w = a.Read(now); w.Viewers != 4 {
		t.Errorf("%d viewers in two spells", w.Viewers)
	}
	now = now.Add(spellTime)
	if w = a.Read(now); w.Viewers != 1 {
		t.Errorf("%d viewers are left", w.Viewers)
	}
	now = now.Add(2 * spellTime)
	if w = a.Read(now); w.Viewers != 0 || w.Requests != 0 {
		t.Errorf("%+v is left", w)
	}
	for _, n := range []int{100, 1000, 20_000} {
		c := crowd.NewAudience()
		for i := range n {
			ask(c, fmt.Sprintf("10.%d.%d.%d:1", i>>16, i>>8&255, i&255), "x", "", seg)
		}
		if got := Viewers(now, c); got < n*9/10 || got > n*11/10 {
			t.Errorf("%d viewers are estimated as %d", n, got)
		}
	}
}

// TestReport reads CMCD as players send it, in the query and in headers, and nothing of what is too much.
func TestReport(t *testing.T) {
	none := report{bitrate: -1, buffer: -1, speed: -1, latency: -1}
	for text, want := range map[string]report{
		``: none,
		`br=3200,bs,d=4004,mtp=25400,ot=v,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",tb=6000`: {session: "6e2fb550-c457-11e9-bb97-0800200c9a66", bitrate: 3200, buffer: -1, speed: 25400, latency: -1, starved: true, present: true},
		`bl=21300,nor="..%2Fa,b.m4s",bs=false,su`:                                             {bitrate: -1, buffer: 21300, speed: -1, latency: -1, present: true},
		`cid="a \" , br=1,",br=5`:                                                             {bitrate: 5, buffer: -1, speed: -1, latency: -1, present: true},
		`br=-1,bl=99999999999999999999,mtp=x,ltc=600001`:                                      {bitrate: -1, buffer: -1, speed: -1, latency: -1, present: true},
		`sid="` + strings.Repeat("x", 65) + `"`:                                               {bitrate: -1, buffer: -1, speed: -1, latency: -1, present: true},
		strings.Repeat("a,", 2000):                                                            none,
	} {
		r := httptest.NewRequest(http.MethodGet, "/x?_HLS_msn=1&CMCD="+url.QueryEscape(text), nil)
		if got := readReport(r); got != want {
			t.Errorf("%.60s: %+v", text, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/x", nil)
	for k, v := range map[string]string{"CMCD-Object": "br=3200,ot=v", "CMCD-Request": "bl=1000,mtp=5", "CMCD-Session": `sid="s"`, "CMCD-Status": "bs"} {
		r.Header.Set(k, v)
	}
	if got, want := readReport(r), (report{session: "s", bitrate: 3200, buffer: 1000, speed: 5, latency: -1, starved: true, present: true}); got != want {
		t.Errorf("%+v", got)
	}
}

func FuzzReport(f *testing.F) {
	f.Add(`br=3200,bs,sid="a\",b"`)
	f.Add(`"`)
	f.Add(`=,=,\`)
	f.Fuzz(func(t *testing.T, text string) {
		p := report{bitrate: -1, buffer: -1, speed: -1, latency: -1}
		p.read(text)
		if len(p.session) > maxSession || p.bitrate > maxKbits || p.buffer > maxMillis || p.speed > maxKbits || p.latency > maxMillis || min(p.bitrate, p.buffer, p.speed, p.latency) < -1 {
			t.Errorf("%q: %+v", text, p)
		}
	})
}

func BenchmarkAudience(b *testing.B) {
	crowd := NewCrowd(time.Now)
	a := crowd.NewAudience()
	v := edgeView(time.Now().Add(-16 * time.Second))
	for name, target := range map[string]string{"plain": "/x.m4s?_HLS_msn=3", "cmcd": "/x.m4s?CMCD=" + url.QueryEscape(`bl=2000,br=3200,d=4004,mtp=25400,ot=v,sid="6e2fb550-c457-11e9-bb97-0800200c9a66",tb=6000`)} {
		r := httptest.NewRequest(http.MethodGet, target, nil)
		r.Header.Set("User-Agent", "Mozilla/5.0 (X11; Linux x86_64)")
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				a.asked(r, v, media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Number: 6})
			}
		})
	}
}
