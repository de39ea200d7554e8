package ingest

import (
	"io"
	"testing"
	"time"
)

// TestOddHandshakes lets in encoders whose handshake is unusual: all of it at once, byte by byte, with a version and digest-like
// random in C1 (Flash since 9), with an echo that is none.
func TestOddHandshakes(t *testing.T) {
	c1 := make([]byte, 1536)
	for i := range c1 {
		c1[i] = byte(i * 7)
	}
	flash := append([]byte{3, 0, 0, 0, 1, 0x80, 0, 7, 2}, c1[8:]...)
	zeros := append([]byte{3, 0, 0, 0, 1, 0, 0, 0, 0}, c1[8:]...)
	for name, c := range map[string]struct {
		hello []byte
		early []byte // C2 sent with C1
		slow  bool
	}{
		"all at once":         {hello: zeros, early: make([]byte, 1536)},
		"byte by byte":        {hello: zeros, slow: true},
		"Flash 10":            {hello: flash},
		"an echo that is not": {hello: zeros, early: c1},
	} {
		t.Run(name, func(t *testing.T) {
			gate := new(memGate)
			s := startServer(t, gate, Limits{})
			nc := rawDial(t, s.addr)
			_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
			if c.slow {
				for _, b := range c.hello {
					_, _ = nc.Write([]byte{b})
				}
			} else {
				_, _ = nc.Write(append(c.hello[:len(c.hello):len(c.hello)], c.early...))
			}
			answer := make([]byte, 1+2*1536)
			if _, err := io.ReadFull(nc, answer[:1+1536]); err != nil {
				t.Fatal(err)
			}
			if c.early == nil {
				_, _ = nc.Write(answer[1 : 1+1536])
			}
			if _, err := io.ReadFull(nc, answer[1+1536:]); err != nil {
				t.Fatal(err)
			}
			limits := Limits{}.withDefaults()
			w := newWork(limits.Work)
			p := &peer{t: t, nc: nc, in: newChunkReader(newInbuf(nc, 4096), &limits, new(Counters), &w), chunk: defaultChunkSize}
			p.publish("live", "x")
			p.media(0, 3)
			eventually(t, "media", func() bool { return gate.session(t, 0).count() == 6 })
		})
	}
}
