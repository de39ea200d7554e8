package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// consoleShots is the variable with the directory that TestConsole writes the pictures of docs/console.md to.
const consoleShots = "HEADWATER_CONSOLE_SHOTS"

// consolePage is a page of the console.
type consolePage struct{ *Page }

// shot takes a picture for the documentation, when that is asked for.
func (p consolePage) shot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(consoleShots)
	if dir == "" {
		return
	}
	if !waitFor(time.Minute, func() bool {
		return string(p.Eval(t, `document.getElementById('toast').textContent === '' && !/Poor|poor|Warning|some seconds|\b([4-9]|\d\d)\.\d s behind/.test(document.body.innerText)`)) == "true"
	}) {
		t.Logf("the picture %s is of a bad moment", name)
	}
	raw := filepath.Join(t.TempDir(), name+".png")
	if _, err := p.b.do(map[string]any{"do": "shot", "page": p.name, "path": raw, "window": true}); err != nil {
		t.Fatal(err)
	}
	// 256 colours: a quarter of the size.
	out, err := exec.Command("ffmpeg", "-v", "error", "-y", "-i", raw, "-vf", "split[a][b];[a]palettegen=stats_mode=single[p];[b][p]paletteuse=dither=none",
		filepath.Join(dir, name+".png")).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// usable fails the test when something on the page keeps people from using it.
func (p consolePage) usable(t *testing.T, where string) {
	t.Helper()
	script, err := os.ReadFile("players/accessible.js")
	if err != nil {
		t.Fatal(err)
	}
	var wrong []string
	if err := json.Unmarshal(p.Eval(t, string(script)), &wrong); err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Errorf("%s: %s", where, w)
	}
}

// sees waits until an expression is true in the page.
func (p consolePage) sees(t *testing.T, what, script string) {
	t.Helper()
	if !waitFor(25*time.Second, func() bool { return string(p.Eval(t, "Boolean("+script+")")) == "true" }) {
		t.Fatalf("%s: not within 25 s\n%s\n%s", what, p.Page, p.Eval(t, "document.body.innerText"))
	}
}

// at waits until the page with that title is shown.
func (p consolePage) at(t *testing.T, title string) {
	t.Helper()
	p.sees(t, "the page "+title, `document.querySelector('h1')?.textContent === '`+title+`'`)
}

// signIn signs in at the console.
func (p consolePage) signIn(t *testing.T, token string) {
	t.Helper()
	p.Act(t, "fill", "label", "Access token", token)
	p.Act(t, "press", "label", "Access token", "Enter")
	p.Act(t, "wait", "button", "Sign out")
}

// TestConsole clicks through a broadcast in the console, from an empty installation to the replay, its clip and its end.
func TestConsole(t *testing.T) {
	t.Parallel()
	deadline := 4 * time.Minute
	if os.Getenv(consoleShots) != "" {
		deadline = 10 * time.Minute // it waits for good moments
	}
	begin(t, deadline)
	d := StartDaemon(t)
	raw, err := os.ReadFile(filepath.Join(d.Dir, "control.token"))
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(string(raw))
	b := NewBrowser(t)
	p := consolePage{b.OpenIn(t, d.Control+"/", 1280, 860, false)}

	p.Act(t, "fill", "label", "Access token", "not-the-token")
	p.Act(t, "click", "button", "Sign in")
	p.sees(t, "a refusal", `document.body.innerText.includes('This token is not valid.')`)
	p.usable(t, "login")
	p.signIn(t, token)
	p.Act(t, "wait", "heading", "No live events yet")
	p.usable(t, "no events")
	if got := string(p.Eval(t, `document.cookie + location.href + JSON.stringify([localStorage.length, sessionStorage.length])`)); strings.Contains(got, token) || !strings.Contains(got, "[0,0]") {
		t.Errorf("scripts and the address see %s", got)
	}

	t.Log("create and send")
	p.Act(t, "press", "button", "New event", "Enter")
	p.sees(t, "the focus in the dialog", `document.activeElement.name === 'name'`)
	p.usable(t, "new event")
	p.Act(t, "fill", "label", "Name", "sunday")
	p.Act(t, "press", "label", "Name", "Enter")
	p.at(t, "sunday")
	p.sees(t, "that it waits", `document.body.innerText.includes('Waiting for the encoder')`)
	p.usable(t, "an event without encoder")
	server, key := p.Act(t, "value", "label", "Server"), p.Act(t, "value", "label", "Stream key")
	encoder := Publish(t, server+"/"+key, "../../testdata/demo.flv", true)
	p.sees(t, "the preview", `document.getElementById('preview')?.currentTime > 1 && document.getElementById('preview').videoWidth === 1280`)
	p.sees(t, "the figures", `document.querySelector('.figures')?.innerText.includes('1280×720')`)

	t.Log("record, publish and watch")
	p.Act(t, "click", "button", "Record and publish")
	address := p.Act(t, "value", "label", "Page to watch")
	viewer := b.Open(t, address)
	asset := strings.Trim(string(p.Eval(t, `document.querySelector('.output a').textContent`)), `"`)
	p.Act(t, "click", "button", "QR code of "+asset)
	p.sees(t, "the code", `document.querySelector('dialog svg path')`)
	p.usable(t, "QR code")
	p.Act(t, "click", "button", "Close")
	viewer.Plays(t, 2, 30*time.Second)
	p.sees(t, "that somebody watches", `/[1-9] watch/.test(document.querySelector('.locator').innerText)`)
	viewer.Close()
	p.sees(t, "the picture again", `(scrollTo(0, 0), document.getElementById('preview').currentTime > 3)`)
	p.usable(t, "a live event")
	p.shot(t, "event")

	t.Log("as a reader, on a phone in the dark")
	var made struct{ Properties struct{ Token string } }
	decode(t, d.CLI(t, "token", "create", "desk", "--role", "reader", "--json"), &made)
	phone := consolePage{b.OpenIn(t, d.Control+"/", 390, 844, true)}
	phone.signIn(t, made.Properties.Token)
	phone.sees(t, "a picture", `document.querySelector('.card video')?.currentTime > 0`)
	phone.usable(t, "events on a phone")
	phone.shot(t, "phone")
	phone.Act(t, "click", "link", "sunday")
	phone.sees(t, "the preview", `document.getElementById('preview')?.currentTime > 0`)
	phone.usable(t, "an event on a phone")
	if got := string(phone.Eval(t, `[...document.querySelectorAll('button')].map((b) => b.textContent).filter((t) => /Stop|Record|End|Withdraw|New/.test(t))`)); got != "[]" {
		t.Errorf("a reader is offered %s", got)
	}
	for _, page := range []string{"Recordings", "Links", "Endpoints", "Log"} {
		phone.Act(t, "click", "link", page)
		phone.at(t, page)
		phone.usable(t, page+" on a phone")
	}
	phone.Close()

	t.Log("clip, end and replay")
	p.Act(t, "click", "link", asset)
	p.sees(t, "the recording", `document.getElementById('replay')?.readyState >= 3`)
	p.Eval(t, `{ const s = document.getElementById('timeline'); s.value = s.min; s.dispatchEvent(new Event('input')); }`)
	p.Act(t, "click", "button", "Mark beginning")
	p.Act(t, "click", "button", "Forward 1 seconds")
	p.sees(t, "the later place", `!document.getElementById('replay').seeking && document.getElementById('replay').currentTime > 0.9`)
	p.Act(t, "click", "button", "Mark end")
	p.usable(t, "a recording")
	p.Act(t, "click", "button", "Make a clip…")
	p.usable(t, "clip")
	p.Act(t, "fill", "label", "Name", "moment")
	p.Act(t, "click", "button", "Make it")
	p.at(t, "moment")
	p.sees(t, "the clip", `document.getElementById('replay')?.duration > 0.9`)
	p.Eval(t, `{ location.hash = '#/events/sunday'; }`)
	p.Act(t, "click", "button", "End live")
	p.Act(t, "click", "button", "End it")
	p.at(t, asset)
	p.sees(t, "a complete recording", `document.querySelector('.head').innerText.includes('Complete') && document.getElementById('replay')?.duration > 5`)
	p.Act(t, "click", "button", "Play")
	p.sees(t, "the replay", `document.getElementById('replay').currentTime > 1`)
	p.Act(t, "click", "button", "Pause")
	p.Act(t, "click", "button", "Mark beginning")
	p.sees(t, "the strip of pictures", `(scrollTo(0, 0), document.querySelectorAll('.strip image').length === 10)`)
	p.usable(t, "a complete recording")
	p.shot(t, "recording")
	p.Act(t, "click", "button", "Unmark")
	file := filepath.Join(t.TempDir(), "recording.mp4")
	if name := p.Act(t, "save", "link", "Download", file); name != asset+".mp4" {
		t.Errorf("the download is called %s", name)
	}
	if out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", file).CombinedOutput(); err != nil || !strings.Contains(string(out), "h264") || !strings.Contains(string(out), "aac") {
		t.Errorf("the download: %v %s", err, out)
	}

	t.Log("put everything away")
	for _, name := range []string{asset, "moment"} {
		p.Eval(t, `{ location.hash = '#/assets/`+name+`'; }`)
		p.at(t, name)
		p.Act(t, "click", "button", "Delete…")
		p.Act(t, "click", "button", "Delete")
		p.at(t, "Recordings")
	}
	p.Act(t, "wait", "heading", "No recordings yet")
	p.Act(t, "click", "link", "Events")
	p.Act(t, "click", "link", "sunday")
	p.Act(t, "click", "button", "Stop…")
	p.Act(t, "click", "button", "Stop")
	if !waitFor(15*time.Second, func() bool { return closed(encoder.done) }) {
		t.Error("the encoder of a stopped event is still connected")
	}
	p.Act(t, "click", "button", "Delete…")
	p.Act(t, "click", "button", "Delete")
	p.Act(t, "wait", "heading", "No live events yet")
	p.Act(t, "click", "button", "Sign out")
	p.Act(t, "wait", "label", "Access token")
	if got := string(p.Eval(t, `fetch('/openapi.json').then((r) => r.status)`)); got != "401" {
		t.Errorf("after signing out the API answers %s", got)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, line := range p.log {
		if strings.Contains(line, "page error") || strings.Contains(line, "Content Security Policy") {
			t.Error(line)
		}
	}
}
