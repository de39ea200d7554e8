package ingest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"headwater.stream/internal/media"
)

const demo = "../testdata/demo.flv"

func open(t testing.TB, path string) Source {
	t.Helper()
	src, err := OpenSource(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func TestPublishEveryFormat(t *testing.T) {
	flv := clip(t)
	dir := t.TempDir()
	convert := func(name string, args ...string) string {
		path := filepath.Join(dir, name)
		if out, ok := ffmpeg(t, append(append([]string{"-i", flv, "-c", "copy"}, args...), path)...); !ok {
			t.Fatal(out)
		}
		return path
	}
	for name, path := range map[string]string{
		"flv":        flv,
		"mp4":        convert("progressive.mp4"),
		"fragmented": convert("fragmented.mp4", "-movflags", "frag_keyframe+empty_moov+delay_moov+default_base_moof"),
	} {
		t.Run(name, func(t *testing.T) {
			gate := &memGate{keep: true}
			s := startServer(t, gate, Limits{})
			if err := Publish(t.Context(), "rtmp://"+s.addr+"/live/t/cam?x=1", open(t, path), PublishOptions{Unpaced: true}); err != nil {
				t.Fatal(err)
			}
			session := gate.session(t, 0)
			eventually(t, "the end of the publish", func() bool { return session.closed() == 1 })
			packets := probe(t, flv)
			for _, k := range []media.Kind{media.Video, media.Audio} {
				var want []packetInfo
				for _, p := range packets {
					if p.kind == k {
						want = append(want, p)
					}
				}
				got := session.of(k)
				if len(got) != len(want) {
					t.Fatalf("%d %v samples, want %d", len(got), k, len(want))
				}
				for i := range got {
					if len(got[i].Data) != want[i].size {
						t.Fatalf("%v sample %d has %d bytes, want %d", k, i, len(got[i].Data), want[i].size)
					}
					if i > 0 && got[i].DTS <= got[i-1].DTS {
						t.Fatalf("%v sample %d steps back", k, i)
					}
				}
			}
			// Sound and picture start together, whatever container they came in.
			v, a := session.of(media.Video)[0], session.of(media.Audio)[0]
			first := (v.DTS+int64(v.Offset))/120 - a.DTS/48
			if first < -25 || first > 25 {
				t.Errorf("the first picture is %d ms after the first sound", first)
			}
			if session.request.Query != "x=1" {
				t.Errorf("query %q", session.request.Query)
			}
		})
	}
}

func TestPublishLoopsWithoutAHole(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	src := open(t, demo)
	go func() {
		done <- Publish(ctx, "rtmp://"+s.addr+"/live/t/cam", src, PublishOptions{Unpaced: true, Loop: true})
	}()
	session := gate.session(t, 0)
	eventually(t, "three loops", func() bool { return session.count() > 3*(480+750) })
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of the publish", func() bool { return session.closed() == 1 })
	if n := len(session.setups); n != 1 {
		t.Errorf("SetTracks called %d times", n)
	}
	for _, k := range []media.Kind{media.Video, media.Audio} {
		lo, hi := int64(32), int64(34)
		if k == media.Audio {
			lo, hi = 20, 22
		}
		got := session.of(k)
		for i := 1; i < len(got); i++ {
			scale := int64(120)
			if k == media.Audio {
				scale = 48
			}
			if d := (got[i].DTS - got[i-1].DTS) / scale; d < lo || d > hi {
				t.Fatalf("%v sample %d comes %d ms after the one before", k, i, d)
			}
		}
	}
}

func TestPublishKeepsTime(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
	defer cancel()
	if err := Publish(ctx, "rtmp://"+s.addr+"/live/t/cam", open(t, demo), PublishOptions{}); err != nil {
		t.Fatal(err)
	}
	session := gate.session(t, 0)
	eventually(t, "the end of the publish", func() bool { return session.closed() == 1 })
	v := session.of(media.Video)
	if len(v) < 4 || len(v) > 25 {
		t.Errorf("%d frames in 0.8 s", len(v))
	}
}

func TestPublishIsToldWhy(t *testing.T) {
	want := &Refusal{CodeBadName, "No live event has this access token."}
	gate := &memGate{refuse: func(Request) error { return want }}
	s := startServer(t, gate, Limits{})
	err := Publish(t.Context(), "rtmp://"+s.addr+"/live/wrong/cam", open(t, demo), PublishOptions{Reconnect: true})
	var r *Refusal
	if !errors.As(err, &r) || *r != *want {
		t.Errorf("got %v", err)
	}
	gate.refuse = func(Request) error { return errors.New("the disk is on fire at /var/lib") }
	err = Publish(t.Context(), "rtmp://"+s.addr+"/live/t/cam", open(t, demo), PublishOptions{})
	if !errors.As(err, &r) || r.Code != CodeFailed || strings.Contains(r.Description, "disk") {
		t.Errorf("got %v", err)
	}
}

func TestPublishIsKickedAndReconnects(t *testing.T) {
	gate := new(memGate)
	s := startServer(t, gate, Limits{})
	src := open(t, demo)
	done := make(chan error, 1)
	go func() {
		done <- Publish(t.Context(), "rtmp://"+s.addr+"/live/t/cam", src, PublishOptions{Loop: true, Reconnect: true})
	}()
	first := gate.session(t, 0)
	eventually(t, "media", func() bool { return first.count() > 0 })
	first.request.Kick(&Refusal{CodeShutdown, "Back in a moment."})
	second := gate.session(t, 1)
	if first.closed() != 1 {
		t.Error("the first session was not closed before the second")
	}
	eventually(t, "media after the reconnect", func() bool { return second.count() > 0 })
	if v := second.of(media.Video); len(v) > 0 && (!v[0].Sync || v[0].DTS != 0) {
		t.Errorf("the second connection begins with %+v", v[0])
	}
	first.request.Kick(&Refusal{CodeBadName, "An old kick must not end a new publish."})
	second.request.Kick(&Refusal{CodeBadName, "Another encoder has taken over."})
	err := <-done
	var r *Refusal
	if !errors.As(err, &r) || r.Description != "Another encoder has taken over." {
		t.Errorf("got %v", err)
	}
}

func TestPublishOverTLS(t *testing.T) {
	cert, roots := certificate(t)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	gate := new(memGate)
	s := serveOn(t, l, gate, Limits{})
	err = Publish(t.Context(), "rtmps://"+s.addr+"/live/t/cam", open(t, demo), PublishOptions{Unpaced: true, TLS: &tls.Config{RootCAs: roots}})
	if err != nil {
		t.Fatal(err)
	}
	session := gate.session(t, 0)
	eventually(t, "the end of the publish", func() bool { return session.closed() == 1 })
	if !session.request.TLS || session.count() != 480+750 {
		t.Errorf("TLS %v, %d samples", session.request.TLS, session.count())
	}
}

// certificate makes one for 127.0.0.1.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "headwater test"},
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestPanicCostsOneConnection(t *testing.T) {
	var n atomic.Int32
	gate := &memGate{wrap: func(s *memSession) Session {
		if n.Add(1) == 1 {
			return panicky{s}
		}
		return s
	}}
	s := startServer(t, gate, Limits{})
	err := Publish(t.Context(), "rtmp://"+s.addr+"/live/t/cam", open(t, demo), PublishOptions{Unpaced: true})
	var r *Refusal
	if !errors.As(err, &r) || r.Code != CodeFailed {
		t.Errorf("got %v", err)
	}
	if p := s.Stats().Panics; p != 1 {
		t.Errorf("%d panics counted", p)
	}
	if err := Publish(t.Context(), "rtmp://"+s.addr+"/live/t/cam", open(t, demo), PublishOptions{Unpaced: true}); err != nil {
		t.Error(err)
	}
	eventually(t, "both sessions closed", func() bool {
		return gate.session(t, 0).closed() == 1 && gate.session(t, 1).closed() == 1
	})
}

type panicky struct{ *memSession }

func (p panicky) WriteSample(media.Sample) error { panic("a bug") }

func TestBadSources(t *testing.T) {
	if _, err := OpenSource("doc.go"); err == nil || !strings.Contains(err.Error(), "neither FLV nor MP4") {
		t.Errorf("got %v", err)
	}
	for _, u := range []string{"http://x/live/y", "rtmp://x/live", "rtmp:///live/x", "rtmp://x", ":"} {
		if err := Publish(t.Context(), u, nil, PublishOptions{}); err == nil {
			t.Errorf("%s was accepted", u)
		}
	}
}
