package journal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// opened is a journal that runs until close is called.
type opened struct {
	*Journal
	t    *testing.T
	stop context.CancelFunc
	done chan error
}

func open(t *testing.T, dir string, o Options) *opened {
	t.Helper()
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return begin(t, j)
}

func begin(t *testing.T, j *Journal) *opened {
	ctx, stop := context.WithCancel(context.Background())
	r := &opened{Journal: j, t: t, stop: stop, done: make(chan error, 1)}
	go func() { r.done <- j.Run(ctx) }()
	return r
}

func (r *opened) close() {
	r.t.Helper()
	r.stop()
	if err := <-r.done; err != nil {
		r.t.Error(err)
	}
}

// append appends and waits until it can be read: nothing is dropped because the disk is slower than the test.
func (r *opened) append(list []Event) {
	r.t.Helper()
	p := r.Last()
	r.Append(list...)
	r.all(p, len(list))
}

// all reads everything after p as it becomes readable, n events.
func (r *opened) all(p Position, n int) (list []Event, lost bool) {
	r.t.Helper()
	late := time.After(20 * time.Second)
	for len(list) < n {
		more, gone, err := r.Read(p)
		if err != nil {
			r.t.Fatal(err)
		}
		lost = lost || gone
		if list = append(list, more...); len(more) > 0 {
			p = more[len(more)-1].Position()
			continue
		}
		select {
		case <-r.Changed(p):
		case <-late:
			r.t.Fatalf("%d events of %d", len(list), n)
		}
	}
	return list, lost
}

func some(from, n int) (list []Event) {
	for i := range n {
		list = append(list, Event{Time: time.Unix(int64(from+i), 0).UTC(), Type: "Headwater.Test", Subject: fmt.Sprintf("liveEvent/e%d", i%3), Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, from+i))})
	}
	return list
}

// numbers are the n of events made by some.
func numbers(t *testing.T, list []Event) (all []int) {
	t.Helper()
	last := Position(0)
	for _, e := range list {
		var d struct{ N int }
		if err := json.Unmarshal(e.Data, &d); err != nil {
			t.Fatalf("%s: %v", e.Data, err)
		}
		if e.Position() <= last {
			t.Fatalf("%s is not after %x", e.ID, last)
		}
		last, all = e.Position(), append(all, d.N)
	}
	return all
}

func upTo(from, to int) (all []int) {
	for i := from; i < to; i++ {
		all = append(all, i)
	}
	return all
}

// TestOrder: events are read in their order from any position, from memory and from files, over restarts, also after one that
// tore the last line.
func TestOrder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	const keepRecent, n = 300, 300 + 3*batchSize // more than memory holds
	o := Options{FileSize: 32 << 10, Files: 1000, Recent: keepRecent}
	r := open(t, dir, o)
	for i := 0; i < n; i += 100 {
		r.append(some(i, min(100, n-i)))
	}
	list, lost := r.all(0, n)
	if got := numbers(t, list); lost || !slices.Equal(got, upTo(0, n)) {
		t.Fatalf("lost %v, %d events", lost, len(got))
	}
	for _, at := range []int{0, 10, batchSize, n - keepRecent - 1, n - keepRecent, n - 2} {
		if got, _ := r.all(list[at].Position(), n-at-1); !slices.Equal(numbers(t, got), upTo(at+1, n)) {
			t.Errorf("after %d: %d events", at, len(got))
		}
		if p, err := r.Tail(n - at); err != nil || at > 0 && p != list[at-1].Position() || at == 0 && p != 0 {
			t.Errorf("the last %d are after %x, %v", n-at, p, err)
		}
	}
	r.close()

	files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil || len(files) < 3 {
		t.Fatalf("files %v, %v", files, err)
	}
	for _, f := range files {
		if st, err := os.Stat(f); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", f, st.Mode(), err)
		}
	}
	whole, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[len(files)-1], whole[:len(whole)-10], 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // with nothing appended too
		r = open(t, dir, o)
		r.close()
	}
	r = open(t, dir, o)
	defer r.close()
	r.Append(some(n-1, 5)...)
	again, lost := r.all(0, n+4)
	if got := numbers(t, again); lost || !slices.Equal(got, upTo(0, n+4)) {
		t.Fatalf("after the restart: lost %v, %v", lost, got[max(0, len(got)-20):])
	}
	for i, e := range again[:n-1] {
		if e.ID != list[i].ID {
			t.Fatalf("event %d has another ID after the restart", i)
		}
	}
	if again[n-1].ID == list[n-1].ID {
		t.Error("an ID was given twice")
	}
}

// TestBound: old events go, and who reads from before them is told.
func TestBound(t *testing.T) {
	dir := t.TempDir()
	o := Options{FileSize: 4 << 10, Files: 3, Recent: 50}
	r := open(t, dir, o)
	for i := range 20 {
		r.append(some(i*30, 30))
	}
	r.close()
	r = open(t, dir, o)
	defer r.close()
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if len(files) > 3 {
		t.Errorf("%d files are kept", len(files))
	}
	list, lost, err := r.Read(1)
	if err != nil || !lost || len(list) == 0 {
		t.Fatalf("%d events, lost %v, %v", len(list), lost, err)
	}
	if _, lost, _ = r.Read(list[0].Position()); lost {
		t.Error("what is there is called lost")
	}
	if _, lost, _ = r.Read(0); lost {
		t.Error("who reads from the beginning has lost nothing")
	}
}

// TestNewer: a log of a later version is refused.
func TestNewer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName(0)), []byte("{\"format\":2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "format 2") {
		t.Error(err)
	}
}

// badDisk is a disk that is stuck or fails.
type badDisk struct {
	disk
	stuck chan struct{} // nil: not
	fails bool
}

func (d *badDisk) write(list []Event) error {
	if d.stuck != nil {
		<-d.stuck
	}
	if d.fails {
		return errors.New("no space")
	}
	return d.disk.write(list)
}

// TestBadDisk: a disk that hangs or fails delays events for a moment and loses none to who follows; nobody waits in Append.
func TestBadDisk(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		j, err := Open(dir, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		d := &badDisk{disk: j.files, stuck: make(chan struct{})}
		j.files = d
		r := begin(t, j)
		r.Append(some(0, 3)...)
		synctest.Wait()
		if list, _, _ := r.Read(0); len(list) != 0 {
			t.Errorf("%d events are seen that may yet be lost", len(list))
		}
		time.Sleep(patience)
		synctest.Wait()
		r.Append(some(3, 3)...)
		list, _ := r.all(0, 6) // also those that come while it hangs
		if !slices.Equal(numbers(t, list), upTo(0, 6)) {
			t.Errorf("%v", list)
		}
		r.Append(some(6, 5000)...)
		if n := r.Unstored(); n == 0 {
			t.Error("what did not fit is not counted")
		}
		close(d.stuck)
		synctest.Wait()
		d.stuck, d.fails = nil, true
		before := r.Unstored()
		for range 3 {
			r.Append(some(0, 2)...)
			time.Sleep(2 * syncEvery)
			synctest.Wait()
		}
		if n := r.Unstored() - before; n != 6 {
			t.Errorf("%d events are counted as not stored", n)
		}
		if n := strings.Count(log.String(), "cannot be written"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
		d.fails = false
		p := r.Last()
		r.Append(some(100, 2)...)
		synctest.Wait()
		if list, _ := r.all(p, 2); !slices.Equal(numbers(t, list), upTo(100, 102)) {
			t.Errorf("%v", list)
		}
		r.close()
	})
}

func TestFilter(t *testing.T) {
	e := Event{Type: "Headwater.AssetCreated", Subject: "asset/a"}
	for _, c := range []struct {
		f    Filter
		want bool
	}{
		{Filter{}, true}, {Filter{Types: []string{"Headwater.*"}}, true}, {Filter{Types: []string{"Headwater.Asset"}}, false},
		{Filter{Types: []string{"X", "Headwater.AssetCreated"}, Subject: "asset/"}, true}, {Filter{Subject: "liveEvent/"}, false},
	} {
		if c.f.Match(&e) != c.want {
			t.Errorf("%+v", c.f)
		}
	}
	for subject, lane := range map[string]string{"liveEvent/a": "liveEvent/a", "liveEvent/a/liveOutput/b": "liveEvent/a", "x": "x", "": ""} {
		if got := (&Event{Subject: subject}).Lane(); got != lane {
			t.Errorf("%q is in lane %q", subject, got)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(makeID(1, 2))
	f.Add("0000000000000g-00000000")
	f.Fuzz(func(t *testing.T, id string) {
		if p, ok := ParseID(id); ok && (p == 0 || !strings.EqualFold(id[:idDigits], makeID(p, 0)[:idDigits])) {
			t.Errorf("%q is %x", id, p)
		}
	})
}
