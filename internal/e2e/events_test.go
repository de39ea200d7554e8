package e2e

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestEventsOverKill: kill -9 while a webhook's receiver is down loses no event; both who follows the events and the webhook get
// each once and in order. The payloads of a real encoder are among them.
func TestEventsOverKill(t *testing.T) {
	t.Parallel()
	begin(t, 2*time.Minute)
	d := StartDaemon(t, "--webhook-allow", "127.0.0.0/8")

	var mu sync.Mutex
	var taken []string // "TYPE SUBJECT"
	ids := map[string]int{}
	down, secret := true, "a secret of the test"
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		stamp, sum, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("Headwater-Signature"), "t="), ",v1=")
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "%s.%s", stamp, body)
		var e struct{ ID, Type, Subject string }
		if err := json.Unmarshal(body, &e); err != nil || hex.EncodeToString(mac.Sum(nil)) != sum {
			t.Errorf("%s, signed %s: %v", body, r.Header.Get("Headwater-Signature"), err)
		}
		if ids[e.ID]++; ids[e.ID] == 1 {
			taken = append(taken, e.Type+" "+e.Subject)
		}
	}))
	defer receiver.Close()

	follow := exec.Command(d.path, "--data-dir", d.Dir, "--control", d.Control, "events", "--follow", "--json", "--last", "1")
	follow.SysProcAttr = endsWithUs()
	out, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	var followed []string
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e struct{ ID, Type, Subject string }
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				mu.Lock()
				followed = append(followed, e.Type+" "+e.Subject)
				mu.Unlock()
			}
		}
	}()

	d.CLI(t, "webhook", "create", "ops", receiver.URL+"/in?code=hush", "--secret", secret)
	if _, err := d.Try("webhook", "create", "inside", "http://169.254.169.254/latest/meta-data"); err == nil {
		t.Error("a webhook to a metadata service was made")
	}
	c := NewChannel(t, d, "told")
	enc := Publish(t, c.Ingest+"/main", "../../testdata/demo.flv", true)
	c.Shows(t, c.Public, time.Second, 30*time.Second)
	waitFor(10*time.Second, func() bool { return strings.Contains(d.CLI(t, "webhook", "show", "ops"), "Failing") })
	d.CLI(t, "asset", "create", "last-before")
	d.Kill(t)
	d.Start(t)
	d.CLI(t, "asset", "create", "first-after")
	if mu.Lock(); len(taken) != 0 {
		t.Error("what was refused counts as taken")
	}
	down = false
	mu.Unlock()
	enc.Stop(t)

	wanted := []string{"Headwater.LiveEventCreated liveEvent/told", "Microsoft.Media.LiveEventEncoderConnected liveEvent/told", "Headwater.AssetCreated asset/last-before", "Headwater.AssetCreated asset/first-after"}
	has := func(list *[]string) func() bool {
		return func() bool {
			mu.Lock()
			defer mu.Unlock()
			return !slices.ContainsFunc(wanted, func(w string) bool { return !slices.Contains(*list, w) })
		}
	}
	if !waitFor(30*time.Second, has(&taken)) || !waitFor(30*time.Second, has(&followed)) {
		mu.Lock()
		t.Fatalf("taken by the webhook:\n%s\nfollowed:\n%s", strings.Join(taken, "\n"), strings.Join(followed, "\n"))
	}
	if err := follow.Process.Kill(); err != nil {
		t.Error(err)
	}
	_ = follow.Wait()
	mu.Lock()
	defer mu.Unlock()
	about := func(list []string, subject string) (some []string) {
		for _, l := range list {
			if strings.Contains(l, subject) {
				some = append(some, l)
			}
		}
		return some
	}
	for _, w := range wanted {
		if n := len(about(followed, w)); n != 1 && !strings.Contains(w, "Connected") {
			t.Errorf("%s was followed %d times", w, n)
		}
	}
	hook, stream := about(taken, "liveEvent/told"), about(followed, "liveEvent/told")
	if n := min(len(hook), len(stream)); !slices.Equal(hook[:n], stream[:n]) {
		t.Errorf("of the live event the webhook got\n%s\nthe stream\n%s", strings.Join(hook, "\n"), strings.Join(stream, "\n"))
	}
	if log := d.CLI(t, "webhook", "log", "ops"); !strings.Contains(log, "Delivered") {
		t.Errorf("delivery log:\n%s", log)
	}
	if log := d.log.String(); strings.Contains(log, "hush") || strings.Contains(log, secret) {
		t.Error("a secret of the webhook is in the log")
	}
}
