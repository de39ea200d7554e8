package ingest

import (
	"strings"
	"testing"
	"time"
)

func TestStatusOfAPublishThatEnds(t *testing.T) {
	short := Limits{FirstMedia: 1500 * time.Millisecond, Idle: 1500 * time.Millisecond}
	for name, c := range map[string]struct {
		do     func(p *peer)
		limits Limits
		code   string
	}{
		"nothing sent": {func(p *peer) { p.publish("live", "x") }, short, CodeIdle},
		"frozen":       {func(p *peer) { p.publish("live", "x"); p.media(0, 2) }, short, CodeIdle},
		"play":         {func(p *peer) { p.open("live"); p.command(1, "play", 3, appendAMFString([]byte{amfNull}, "x")) }, Limits{}, codePlay},
		"empty name":   {func(p *peer) { p.open("live"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "?a=b")) }, Limits{}, CodeBadName},
		"missing name": {func(p *peer) { p.open("live"); p.command(1, "publish", 3, []byte{amfNull}) }, Limits{}, CodeBadName},
		"name of 60 kB": {func(p *peer) {
			p.open("live")
			p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, strings.Repeat("x", 60000)))
		}, Limits{}, CodeBadName},
		"control characters in the name": {func(p *peer) { p.open("live"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "a\r\nb")) }, Limits{}, CodeBadName},
		"NUL in the app":                 {func(p *peer) { p.open("li\x00ve"); p.command(1, "publish", 3, appendAMFString([]byte{amfNull}, "b")) }, Limits{}, CodeBadName},
		"too large": {func(p *peer) {
			p.publish("live", "x")
			p.raw(header(5, typeCommand, 1, 0, 1<<20)...)
		}, Limits{}, CodeFailed},
		"VP8": {func(p *peer) { p.publish("live", "x"); p.send(6, typeVideo, 1, 0, []byte("\x90vp08\x01\x02\x03")) }, Limits{}, CodeFailed},
		"MP3": {func(p *peer) { p.publish("live", "x"); p.send(4, typeAudio, 1, 0, []byte("\x2f\xff\xfb")) }, Limits{}, CodeFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gate := new(memGate)
			s := startServer(t, gate, c.limits)
			p := connectPeer(t, s.addr)
			c.do(p)
			if code := p.end(10 * time.Second); code != c.code {
				t.Errorf("status %q, want %q", code, c.code)
			}
		})
	}
}

func TestShutdownTellsEncoders(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	p := connectPeer(t, s.addr)
	p.publish("live", "x")
	p.media(0, 3)
	eventually(t, "media", func() bool { return gate.session(t, 0).count() == 6 })
	go s.stop()
	if code := p.end(10 * time.Second); code != CodeShutdown {
		t.Errorf("status %q", code)
	}
	s.stop()
	if gate.session(t, 0).closed() != 1 {
		t.Error("the session was not closed")
	}
}

func TestWhatEncodersAskFor(t *testing.T) {
	for name, c := range map[string]struct {
		app, name string
		want      Request
	}{
		"slashes":           {"/live/tok/", "cam", Request{App: "live/tok", Stream: "cam"}},
		"query in the name": {"live/tok", "cam?a=b&c=d", Request{App: "live/tok", Stream: "cam", Query: "a=b&c=d"}},
		"query in the app":  {"live/tok?k=v", "cam?a=b", Request{App: "live/tok", Stream: "cam", Query: "a=b&k=v"}},
		"dots":              {"live/../x", "..", Request{App: "live/../x", Stream: ".."}},
		"no app":            {"", "cam", Request{Stream: "cam"}},
	} {
		t.Run(name, func(t *testing.T) {
			gate := new(memGate)
			s := startServer(t, gate, Limits{})
			connectPeer(t, s.addr).publish(c.app, c.name)
			r := gate.session(t, 0).request
			if r.App != c.want.App || r.Stream != c.want.Stream || r.Query != c.want.Query {
				t.Errorf("request %q %q %q", r.App, r.Stream, r.Query)
			}
		})
	}
	// Every field of connect is optional and of any type; publish type and even the null may be missing or odd.
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	for _, body := range [][]byte{nil, {amfNull}, {amfUndefined}, appendAMFString(nil, "app"),
		appendAMFObject(nil, "app", 5.0, "tcUrl", true, "capabilities", "x", "flashVer", nil, "fourCcList", nil), enhancedConnect()} {
		p := connectPeer(t, s.addr)
		p.command(0, "connect", 1, body)
		p.await("_result")
		p.command(0, "releaseStream", 2, appendAMFString([]byte{amfNull}, "x"))
		p.await("_result")
		p.command(0, "FCPublish", 3, appendAMFString([]byte{amfNull}, "x"))
		p.await("_result")
		p.await("onFCPublish")
		p.command(0, "createStream", 4, nil)
		if c := p.await("_result"); c.transaction != 4 || c.args[1] != 1.0 {
			t.Errorf("createStream answered with %+v", c)
		}
		p.command(0, "publish", 5, appendAMFString([]byte{amfUndefined}, "x")) // on message stream 0
		if c := p.await("onStatus"); c.info().get("code") != codeStart {
			t.Errorf("publish answered with %+v", c)
		}
	}
}

// enhancedConnect is the object of a connect from an encoder that speaks enhanced RTMP v2.
func enhancedConnect() []byte {
	key := func(b []byte, name string) []byte { return append(append(b, 0, byte(len(name))), name...) }
	b := appendAMFObject(nil, "app", "live", "capsEx", 15.0)
	b = b[:len(b)-3] // goes on
	b = append(key(b, "fourCcList"), amfStrictArray, 0, 0, 0, 3)
	for _, c := range []string{"av01", "hvc1", "Opus"} {
		b = appendAMFString(b, c)
	}
	b = append(key(b, "videoFourCcInfoMap"), appendAMFObject(nil, "*", 7.0, "hvc1", 3.0)...)
	return append(b, 0, 0, 9)
}

func TestPublishAgainOnOneConnection(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	p := connectPeer(t, s.addr)
	p.publish("live", "one")
	p.media(0, 3)
	p.command(0, "deleteStream", 0, appendAMFNumber([]byte{amfNull}, 1))
	p.media(3, 3) // too late
	p.command(0, "createStream", 8, []byte{amfNull})
	p.await("_result")
	p.command(1, "publish", 9, appendAMFString([]byte{amfNull}, "two"))
	p.await("onStatus")
	p.media(0, 2)
	first, second := gate.session(t, 0), gate.session(t, 1)
	eventually(t, "media of the second", func() bool { return second.count() == 4 })
	if first.count() != 6 || first.closed() != 1 {
		t.Errorf("first: %d samples, closed %d times", first.count(), first.closed())
	}
	if d := second.request.Counters.Dropped(DropUnpublished); d != 6 {
		t.Errorf("%d messages counted as unpublished", d)
	}
}
