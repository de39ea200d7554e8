package journal

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

// follower reads a stream of server-sent events.
type follower struct {
	t     *testing.T
	body  io.Closer
	lines *bufio.Scanner
}

func follow(t *testing.T, url, lastID string) *follower {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || ct != "text/event-stream" {
		t.Fatalf("%s, %s", resp.Status, ct)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	return &follower{t, resp.Body, bufio.NewScanner(resp.Body)}
}

// next returns the next event, by the id field; its data has to say the same.
func (f *follower) next() (id, kind string) {
	f.t.Helper()
	for f.lines.Scan() {
		switch line := f.lines.Text(); {
		case strings.HasPrefix(line, "event: "):
			kind = line[7:]
		case strings.HasPrefix(line, "id: "):
			id = line[4:]
		case strings.HasPrefix(line, "data: "):
			var e struct{ SpecVersion, ID, Source, Type, Subject string }
			if err := json.Unmarshal([]byte(line[6:]), &e); err != nil || e.ID != id || id != "" && (e.SpecVersion != "1.0" || e.Source != "/account" || e.Type == "" || e.Subject == "") {
				f.t.Fatalf("%s: %v", line, err)
			}
			return id, kind
		}
	}
	f.t.Fatal("the stream ended")
	return "", ""
}

// TestStream follows the log over HTTP: from now, from before, from an ID after a break, filtered; and lists it.
func TestStream(t *testing.T) {
	dir := t.TempDir()
	r := open(t, dir, Options{FileSize: 4 << 10, Files: 3, Recent: 50})
	t.Cleanup(r.close)
	done := make(chan struct{})
	h := &Handler{Journal: r.Journal, Source: "/account", Done: done}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	r.Append(some(0, 10)...)
	list, _ := r.all(0, 10)

	now := follow(t, srv.URL, "")
	two := follow(t, srv.URL+"?last=2", "")
	for i := range 2 {
		if id, _ := two.next(); id != list[8+i].ID {
			t.Errorf("the %d. of the last two is %s", i, id)
		}
	}
	r.Append(some(10, 5)...)
	list, _ = r.all(0, 15)
	for _, f := range []*follower{now, two, follow(t, srv.URL, list[9].ID), follow(t, srv.URL+"?after="+list[9].ID, "")} {
		for i := 10; i < 15; i++ {
			if id, _ := f.next(); id != list[i].ID {
				t.Errorf("event %d is %s, not %s", i, id, list[i].ID)
			}
		}
	}
	one := follow(t, srv.URL+"?subject=liveEvent/e1&types=No,Headwater.*", list[9].ID)
	if id, _ := one.next(); id != list[11].ID {
		t.Errorf("the next about e1 is %s", id)
	}
	if id, _ := one.next(); id != list[14].ID {
		t.Errorf("the next but one about e1 is %s", id)
	}

	var got []struct{ ID string }
	resp, err := http.Get(srv.URL + "?last=3")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil || len(got) != 3 || got[0].ID != list[12].ID {
		t.Errorf("%v, %v", got, err)
	}
	for _, q := range []string{"?after=x", "?last=-1", "?last=999999999"} {
		if resp, err := http.Get(srv.URL + q); err != nil || resp.StatusCode != http.StatusBadRequest || resp.Body.Close() != nil {
			t.Errorf("%s: %v, %v", q, resp, err)
		}
	}

	for range 20 { // what the follower wants next goes meanwhile
		r.append(some(0, 30))
	}
	late := follow(t, srv.URL+"?after="+makeID(list[0].Position()-1, 0), "")
	if _, kind := late.next(); kind != "lost" {
		t.Errorf("a late follower gets %q", kind)
	}
	close(done)
	for end := time.Now().Add(10 * time.Second); h.following.Load() > 0; <-time.After(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("followers do not end")
		}
	}
}

// TestFollowers: there is a limit, and who goes makes room.
func TestFollowers(t *testing.T) {
	r := open(t, t.TempDir(), Options{})
	t.Cleanup(r.close)
	h := &Handler{Journal: r.Journal, Source: "/account"}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	var all []*follower
	for range maxFollowers {
		all = append(all, follow(t, srv.URL, ""))
	}
	req, _ := http.NewRequest(http.MethodGet, srv.URL, nil)
	req.Header.Set("Accept", "text/event-stream")
	status := func() int {
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	if s := status(); s != http.StatusServiceUnavailable {
		t.Errorf("one too many gets %d", s)
	}
	_ = slices.Delete(all, 1, len(all))[0].body.Close()
	for end := time.Now().Add(10 * time.Second); status() != http.StatusOK; <-time.After(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("who goes makes no room")
		}
	}
}
