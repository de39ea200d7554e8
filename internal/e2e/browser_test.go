package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// Stats is window.headwater as the pages report it.
type Stats struct {
	State       string
	Message     string
	Player      string
	URL         string
	CurrentTime float64
	Played      float64
	Latency     *float64
	Stalls      int
	Bitrate     *float64
	Width       int
	Frames      int
	Dropped     int
	Starts      int
	Fatal       int
	Seeks       int
	Appends     int     // of media; with count=1, as are those below
	Lost        int     `json:"appendsLost"` // left the buffer as long as it was
	Refused     int     `json:"appendErrors"`
	Still       float64 // seconds of pictures that stood still for more than half a second
	Starved     float64 // seconds for which the page got no processor
	Picture     *struct {
		Number int     // that is drawn into it
		Date   float64 // it is of, Unix ms
		Seeks  int     // done before it
	}
	Errors []struct {
		Words, Details string
		Fatal          bool
	}
}

// Browser is one headless Chromium.
type Browser struct {
	in   io.WriteCloser
	mu   sync.Mutex
	next int
	wait map[int]chan reply
	page map[string]*Page
	gone error // set when the process ended
}

type reply struct {
	Value json.RawMessage
	Error string
}

// Page is one page of it, alone in its profile.
type Page struct {
	b    *Browser
	name string

	mu    sync.Mutex
	stats Stats
	log   []string
}

// NewBrowser starts Chromium, with more arguments if given; it ends with the test.
func NewBrowser(t *testing.T, args ...string) *Browser {
	t.Helper()
	cmd := exec.Command("node", append([]string{"players/browser.mjs"}, args...)...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr tail
	cmd.Stderr = &stderr
	cmd.SysProcAttr = endsWithUs()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	b := &Browser{in: in, wait: map[int]chan reply{}, page: map[string]*Page{}}
	ready := make(chan struct{})
	read := make(chan struct{})
	go func() {
		defer close(read)
		b.read(out, ready)
	}()
	t.Cleanup(func() {
		_ = in.Close()
		if !waitFor(15*time.Second, func() bool { return closed(read) }) {
			_ = cmd.Process.Kill()
			t.Error("the browser did not end")
		}
		_ = cmd.Wait()
	})
	if !waitFor(60*time.Second, func() bool { return closed(ready) || closed(read) }) || !closed(ready) {
		t.Fatalf("the browser did not start:\n%s", stderr.String())
	}
	return b
}

func (b *Browser) read(out io.Reader, ready chan struct{}) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var m struct {
			reply
			ID    int
			Ready string
			Page  string
			Stats *Stats
			Log   string
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			continue
		}
		if m.Ready != "" {
			close(ready)
			continue
		}
		b.mu.Lock()
		p, c := b.page[m.Page], b.wait[m.ID]
		delete(b.wait, m.ID)
		b.mu.Unlock()
		if c != nil {
			c <- m.reply
		}
		if p == nil {
			continue
		}
		p.mu.Lock()
		if m.Stats != nil {
			p.stats = *m.Stats
		}
		if m.Log != "" && len(p.log) < 200 {
			p.log = append(p.log, m.Log)
		}
		p.mu.Unlock()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gone = errors.New("the browser is gone")
	for id, c := range b.wait {
		delete(b.wait, id)
		c <- reply{Error: b.gone.Error()}
	}
}

// do sends one command and waits for its answer.
func (b *Browser) do(command map[string]any) (json.RawMessage, error) {
	c := make(chan reply, 1)
	b.mu.Lock()
	if b.gone != nil {
		b.mu.Unlock()
		return nil, b.gone
	}
	b.next++
	command["id"] = b.next
	b.wait[b.next] = c
	line, err := json.Marshal(command)
	if err == nil {
		_, err = b.in.Write(append(line, '\n'))
	}
	b.mu.Unlock()
	if err != nil {
		return nil, err
	}
	select {
	case r := <-c:
		if r.Error != "" {
			return nil, errors.New(r.Error)
		}
		return r.Value, nil
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("no answer to %s", line)
	}
}

// Open opens a page in a window of usual size and in light colours.
func (b *Browser) Open(t *testing.T, url string) *Page {
	t.Helper()
	return b.OpenIn(t, url, 0, 0, false)
}

// OpenIn opens a page in a window of that size (0: usual), in light or dark colours.
func (b *Browser) OpenIn(t *testing.T, url string, width, height int, dark bool) *Page {
	t.Helper()
	b.mu.Lock()
	p := &Page{b: b, name: fmt.Sprintf("p%d", len(b.page)+1)}
	b.page[p.name] = p
	b.mu.Unlock()
	if _, err := b.do(map[string]any{"do": "open", "page": p.name, "url": url, "width": width, "height": height, "dark": dark}); err != nil {
		t.Fatalf("opening %s: %v", url, err)
	}
	return p
}

// Stats returns the newest report.
func (p *Page) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// Until waits until the report satisfies want, and fails with what the page saw when it does not in time.
func (p *Page) Until(t *testing.T, d time.Duration, what string, want func(Stats) bool) Stats {
	t.Helper()
	if !waitFor(d, func() bool { return want(p.Stats()) }) {
		t.Fatalf("%s: not within %v\n%s", what, d, p)
	}
	return p.Stats()
}

// Plays waits until seconds more of media were played, with pictures, without a fatal error.
func (p *Page) Plays(t *testing.T, seconds float64, d time.Duration) Stats {
	t.Helper()
	before := p.Stats()
	s := p.Until(t, d, fmt.Sprintf("playing %.0f s", seconds), func(s Stats) bool {
		// A player that was started again counts frames anew. Sound alone does not count as playing.
		shown := s.Frames - before.Frames
		if s.Starts != before.Starts || shown < 0 {
			shown = s.Frames
		}
		return s.Fatal > before.Fatal || s.Played >= before.Played+seconds && float64(shown) > 10*(s.Played-before.Played)
	})
	if s.Fatal > before.Fatal {
		t.Fatalf("fatal error\n%s", p)
	}
	return s
}

// Eval evaluates an expression in the page.
func (p *Page) Eval(t *testing.T, script string) json.RawMessage {
	t.Helper()
	v, err := p.b.do(map[string]any{"do": "eval", "page": p.name, "script": script})
	if err != nil {
		t.Fatalf("%s: %v", script, err)
	}
	return v
}

// Act finds one element as a screen reader would, by role and name, and does something with it (players/browser.mjs). Role
// "label" finds a control by its label.
func (p *Page) Act(t *testing.T, what, role, name string, value ...string) string {
	t.Helper()
	command := map[string]any{"do": "act", "page": p.name, "what": what, "role": role, "name": name, "timeout": 20000}
	if role == "label" {
		command["label"] = name
	}
	if len(value) > 0 {
		command["value"] = value[0]
	}
	v, err := p.b.do(command)
	if err != nil {
		t.Fatalf("%s %s %q: %v\n%s", what, role, name, err, p)
	}
	var text string
	if json.Unmarshal(v, &text) != nil {
		return ""
	}
	return text
}

// Close closes the page.
func (p *Page) Close() {
	_, _ = p.b.do(map[string]any{"do": "close", "page": p.name})
}

// String is everything a person wants to know about a page that does not play.
func (p *Page) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	shown := p.stats
	shown.Errors = shown.Errors[max(0, len(shown.Errors)-10):]
	stats, err := json.Marshal(shown)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("page: %s\nlog:\n  %s", stats, strings.Join(p.log, "\n  "))
}
