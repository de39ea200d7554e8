package archive_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"headwater.stream/archive"
	"headwater.stream/internal/media"
)

// TestBitFlipsWhileRecorded: what is damaged in a recording that is being made is served to nobody, reported once, and all
// else plays: while the source has the segment, when only the recording has it, after a restart and after the end.
func TestBitFlipsWhileRecorded(t *testing.T) {
	var mu sync.Mutex
	var told []string
	r := newRig(t, archive.RecorderOptions{Damaged: func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if !errors.Is(err, archive.ErrDamaged) {
			t.Error(err)
		}
		told = append(told, err.Error())
	}})
	r.record()
	r.begin()
	r.feed(75)
	r.written(6)
	r.spooled()
	all := segments(t, r.rec)
	flip := func(file string) {
		t.Helper()
		name := filepath.Join(r.base, "asset", file)
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 4
		f, err := os.OpenFile(name, os.O_WRONLY, 0) // the same file as the spool's
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	bad := map[string]bool{}
	holds := func(when string, p presentation) {
		t.Helper()
		mu.Lock()
		told = nil
		mu.Unlock()
		for name, want := range all {
			ref, ok := media.ParseName(name)
			if !ok {
				t.Fatal(name)
			}
			var wg sync.WaitGroup
			for range 4 { // a crowd
				wg.Go(func() {
					got, err := readAll(p, ref)
					if bad[name] != errors.Is(err, media.ErrNotFound) || !bad[name] && !bytes.Equal(got, want) {
						t.Errorf("%s: %s: %d bytes of %d, %v", when, name, len(got), len(want), err)
					}
				})
			}
			wg.Wait()
		}
		mu.Lock()
		defer mu.Unlock()
		if len(told) != len(bad) {
			t.Errorf("%s: told of %q", when, told)
		}
		for name := range bad {
			if !strings.Contains(strings.Join(told, "\n"), name) {
				t.Errorf("%s: nobody is told of %s", when, name)
			}
		}
	}
	names := []string{}
	for _, s := range r.rec.View().Find("v1").Segments[:2] {
		names = append(names, media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: s.Epoch, Number: s.Number}.Name())
	}
	restart := func() {
		t.Helper()
		r.stop()
		<-r.done
		r.dir.Close()
		r.close()
		r.openTimeline()
		r.record()
	}
	restart() // nothing has been looked at
	flip(names[1])
	bad[names[1]] = true
	holds("the source has it", r.rec)
	restart()
	r.at += 1000
	r.begin()
	r.feed(300) // a minute: the source has forgotten it
	if _, err := r.tl.Open(context.Background(), media.Ref{Rendition: "v1", Kind: media.ObjectSegment, Epoch: r.rec.View().Renditions[0].Segments[0].Epoch}); !errors.Is(err, media.ErrNotFound) {
		t.Fatalf("the source has it: %v", err)
	}
	flip(names[0])
	bad[names[0]] = true
	holds("the recording has it", r.rec)
	defer func() { r.close() }()
	if a := r.finish(); true {
		told = nil
		a.OnDamage(func(err error) { mu.Lock(); told = append(told, err.Error()); mu.Unlock() })
		holds("ended", a)
	}
}
