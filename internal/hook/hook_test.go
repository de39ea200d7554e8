package hook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"headwater.stream/internal/journal"
)

// receiver is a webhook's other end, with moods.
type receiver struct {
	t    *testing.T
	addr string
	srv  *http.Server
	mood func(n int, w http.ResponseWriter, r *http.Request) bool // it has dealt with the nth request; nil: never

	mu    sync.Mutex
	n     int
	taken []string // IDs of the events answered with 200, in order; again when they came again
	lanes map[string][]string
	wrong []string
}

type received struct{ ID, Type, Subject, Source string }

func listen(t *testing.T) *receiver {
	r := &receiver{t: t, addr: "127.0.0.1:0", lanes: map[string][]string{}}
	r.start()
	t.Cleanup(r.stop)
	return r
}

func (r *receiver) start() {
	r.t.Helper()
	l, err := net.Listen("tcp", r.addr)
	if err != nil {
		r.t.Fatal(err)
	}
	r.addr = l.Addr().String()
	r.srv = &http.Server{Handler: r}
	go r.srv.Serve(l)
}

func (r *receiver) stop() { _ = r.srv.Close() }

const secret = "s3cret"

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return
	}
	r.mu.Lock()
	r.n++
	n := r.n
	r.mu.Unlock()
	if r.mood != nil && r.mood(n, w, q) {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	var at int64
	var sum string
	if _, err := fmt.Sscanf(q.Header.Get(SignatureHeader), "t=%d,v1=%s", &at, &sum); err != nil {
		r.wrong = append(r.wrong, "signature: "+err.Error())
	}
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%d.%s", at, body)
	if sum != hex.EncodeToString(mac.Sum(nil)) || time.Since(time.Unix(at, 0)).Abs() > time.Minute {
		r.wrong = append(r.wrong, "signature "+q.Header.Get(SignatureHeader))
	}
	var e received
	if err := json.Unmarshal(body, &e); err != nil || e.Source != "/account" || q.Header.Get("Content-Type") != "application/cloudevents+json; charset=utf-8" {
		r.wrong = append(r.wrong, string(body))
	}
	r.taken = append(r.taken, e.ID)
	r.lanes[e.Subject] = append(r.lanes[e.Subject], e.ID)
	if r.mood != nil && rand.IntN(10) == 0 { // it was taken, and the answer is lost
		panic(http.ErrAbortHandler)
	}
}

func (r *receiver) count() (distinct, all int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := map[string]bool{}
	for _, id := range r.taken {
		m[id] = true
	}
	return len(m), len(r.taken)
}

// rig is a journal and what delivers it.
type rig struct {
	t    *testing.T
	dir  string
	j    *journal.Journal
	m    *Manager
	spec Spec
	end  func()
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func deliver(t *testing.T, dir string, spec Spec, allow ...string) *rig {
	t.Helper()
	j, err := journal.Open(filepath.Join(dir, "journal"), journal.Options{Log: quiet()})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Source: "/account", Retry: 20 * time.Millisecond, Wait: 500 * time.Millisecond, Log: quiet()}
	for _, a := range allow {
		o.Allow = append(o.Allow, netip.MustParsePrefix(a))
	}
	m, err := New(filepath.Join(dir, "webhooks"), j, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Apply([]Spec{spec}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	r := &rig{t: t, dir: dir, j: j, m: m, spec: spec}
	r.end = sync.OnceFunc(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(r.end)
	return r
}

// tell appends n events about some live events and returns nothing before they are readable.
func (r *rig) tell(n int) {
	for i := range n {
		r.j.Append(journal.Event{Time: time.Now(), Type: "Headwater.Test", Subject: fmt.Sprintf("liveEvent/e%d", i%5), Data: json.RawMessage(fmt.Sprintf(`{"n":%d}`, i))})
	}
}

func (r *rig) until(what string, f func() bool) {
	r.t.Helper()
	for end := time.Now().Add(60 * time.Second); !f(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			st, _ := r.m.Status(r.spec.ID)
			r.t.Fatalf("%s: not within 60 s; %+v", what, st)
		}
	}
}

func hookTo(addr string) Spec {
	return Spec{ID: "h", Name: "hook", URL: "http://" + addr + "/in?code=hush", Secret: secret, Schema: CloudEvents, Since: time.Now().Add(-time.Minute)}
}

const loopback = "127.0.0.0/8"

// TestNothingIsLost: a receiver that fails, hangs, breaks off, takes without saying so and restarts, and a sender that
// restarts: every event arrives, those of one live event in order, and again only when nobody could know better.
func TestNothingIsLost(t *testing.T) {
	in := listen(t)
	in.mood = func(n int, w http.ResponseWriter, q *http.Request) bool {
		switch rand.IntN(12) {
		case 0:
			w.WriteHeader(http.StatusInternalServerError)
		case 1:
			w.WriteHeader(http.StatusTooManyRequests)
		case 2:
			panic(http.ErrAbortHandler)
		case 3:
			if n%4 != 0 {
				return false
			}
			<-q.Context().Done() // it hangs
		default:
			return false
		}
		return true
	}
	dir := t.TempDir()
	r := deliver(t, dir, hookTo(in.addr), loopback)
	r.tell(60)
	r.until("some arrive", func() bool { n, _ := in.count(); return n > 20 })
	in.stop()
	r.tell(40)
	<-time.After(100 * time.Millisecond)
	in.start()
	r.until("some more arrive", func() bool { n, _ := in.count(); return n > 60 })
	r.end()
	r = deliver(t, dir, r.spec, loopback)
	r.tell(50)
	r.until("all arrive", func() bool { n, _ := in.count(); return n == 150 })
	st, _ := r.m.Status("h")
	r.until("nothing waits", func() bool { st, _ = r.m.Status("h"); return st.Pending == 0 })
	if list := r.m.Deliveries("h"); len(list) == 0 || len(list) > keepLog || list[len(list)-1].Result != Delivered {
		t.Errorf("the delivery log has %d", len(list))
	}
	for _, w := range in.wrong {
		t.Error(w)
	}
	for subject, ids := range in.lanes {
		var first []string
		for i, id := range ids {
			if !slices.Contains(ids[:i], id) {
				first = append(first, id)
			} else if ids[i-1] != id {
				t.Errorf("%s: %s came again after %s", subject, id, ids[i-1])
			}
		}
		if !slices.IsSorted(first) || len(first) != 30 {
			t.Errorf("%s: %d events, in order: %v", subject, len(first), slices.IsSorted(first))
		}
	}
}

// TestKilled: a sender that ends without a word goes on after what was delivered.
func TestKilled(t *testing.T) {
	in := listen(t)
	dir := t.TempDir()
	r := deliver(t, dir, hookTo(in.addr), loopback)
	r.tell(20)
	r.until("all arrive", func() bool { n, _ := in.count(); return n == 20 })
	r.until("that is stored", func() bool {
		p, found, err := loadPlace(r.m.root, "h")
		return err == nil && found && p.Done >= r.j.Last()
	})
	// The next process sees what is on disk while this one has not ended.
	again := deliver(t, dir, r.spec, loopback)
	again.tell(5)
	again.until("the rest arrives", func() bool { n, _ := in.count(); return n == 25 })
	if _, all := in.count(); all != 25 {
		t.Errorf("%d deliveries of 25 events", all)
	}
}

// TestRefusal: what the receiver does not want is dropped and holds up nothing.
func TestRefusal(t *testing.T) {
	in := listen(t)
	in.mood = func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			w.WriteHeader(http.StatusBadRequest)
		}
		return n == 1
	}
	spec := hookTo(in.addr)
	spec.Filter = journal.Filter{Subject: "liveEvent/e1"}
	r := deliver(t, t.TempDir(), spec, loopback)
	r.tell(15)
	r.until("the others arrive", func() bool { n, _ := in.count(); return n == 2 })
	r.until("it is counted", func() bool {
		st, _ := r.m.Status("h")
		return st.Counts[Refused] == 1 && st.Counts[Delivered] == 2 && st.Pending == 0
	})
	if err := r.m.Apply(nil); err != nil {
		t.Error(err)
	}
	if _, ok := r.m.Status("h"); ok || len(r.m.All()) != 0 {
		t.Error("a hook that is gone has a status")
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, "webhooks", "*")); len(left) != 0 {
		t.Errorf("%v is left of it", left)
	}
}

// TestEventGrid: nothing is delivered before the handshake, then arrays in the schema of Event Grid.
func TestEventGrid(t *testing.T) {
	var mu sync.Mutex
	var got []map[string]any
	tries := 0
	in := listen(t)
	in.stop()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var list []map[string]any
		if err := json.NewDecoder(q.Body).Decode(&list); err != nil || len(list) != 1 {
			t.Errorf("%v, %v", list, err)
			return
		}
		if q.Header.Get("aeg-event-type") != "SubscriptionValidation" {
			got = append(got, list[0])
			return
		}
		if tries++; tries > 2 {
			_ = json.NewEncoder(w).Encode(map[string]any{"validationResponse": list[0]["data"].(map[string]any)["validationCode"]})
		}
	})}
	go srv.Serve(l)
	defer srv.Close()
	spec := hookTo(l.Addr().String())
	spec.Schema = EventGrid
	r := deliver(t, t.TempDir(), spec, loopback)
	r.tell(3)
	have := func() int { mu.Lock(); defer mu.Unlock(); return len(got) }
	r.until("all arrive", func() bool { return have() == 3 })
	if tries != 3 {
		t.Errorf("%d handshakes", tries)
	}
	for k, v := range map[string]string{"topic": "/account", "subject": "liveEvent/e0", "eventType": "Headwater.Test", "dataVersion": "1.0", "metadataVersion": "1"} {
		if got[0][k] != v && k != "subject" {
			t.Errorf("%s is %v", k, got[0][k])
		}
	}
	if st, _ := r.m.Status("h"); !st.Validated {
		t.Error("not validated")
	}
}

// TestGuard: addresses inside are refused, by number, by name and behind a redirect, unless they are allowed.
func TestGuard(t *testing.T) {
	for _, a := range []string{"127.0.0.1", "127.9.9.9", "::1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "::", "100.64.0.1", "224.0.0.1",
		"255.255.255.255", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "::127.0.0.1", "240.0.0.1", "198.18.0.1", "ff02::1", "fec0::1"} {
		if err := (guard{}).check(netip.MustParseAddr(a)); !errors.Is(err, ErrAddress) {
			t.Errorf("%s is let through: %v", a, err)
		}
	}
	for _, a := range []string{"8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8"} {
		if err := (guard{}).check(netip.MustParseAddr(a)); err != nil {
			t.Error(err)
		}
	}
	in := listen(t)
	_, port, _ := net.SplitHostPort(in.addr)
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1"} {
		spec := hookTo(in.addr)
		spec.URL = "http://" + net.JoinHostPort(strings.Trim(host, "[]"), port) + "/?code=hush"
		r := deliver(t, t.TempDir(), spec)
		d := r.m.Test(t.Context(), spec)
		if d.Result == Delivered || d.Error == "" || strings.Contains(d.Error, "hush") {
			t.Errorf("%s: %+v", host, d)
		}
		r.end()
	}
	if n, _ := in.count(); n != 0 {
		t.Errorf("%d requests reached a forbidden address", n)
	}
	in.mood = func(_ int, w http.ResponseWriter, q *http.Request) bool {
		http.Redirect(w, q, "http://"+in.addr+"/elsewhere", http.StatusTemporaryRedirect)
		return true
	}
	r := deliver(t, t.TempDir(), hookTo(in.addr), loopback)
	if d := r.m.Test(t.Context(), r.spec); d.Status != http.StatusTemporaryRedirect || d.Result != Refused || in.n != 1 {
		t.Errorf("a redirect: %+v, %d requests", d, in.n)
	}
	for _, u := range []string{"", "ftp://x/", "http://", "/x", "http://u:p@h/", "http://h/#f", "http://127.0.0.2:1/", "http://[fe80::1%25eth0]/", "http://10.0.0.1/", "http://h/" + strings.Repeat("x", maxURL)} {
		if err := r.m.CheckURL(u); (err == nil) != (u == "http://127.0.0.2:1/") {
			t.Errorf("%.40q: %v", u, err)
		}
	}
	if err := r.m.CheckURL("https://hooks.example/x?code=1"); err != nil {
		t.Error(err)
	}
}
