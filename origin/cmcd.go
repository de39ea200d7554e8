package origin

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// report is what a player says of itself in a request (CTA-5004, Common Media Client Data v1; ltc is of v2). What is absent is -1.
type report struct {
	session string // sid
	bitrate int    // br, kbit/s
	buffer  int    // bl, ms
	speed   int    // mtp, kbit/s
	latency int    // ltc, ms
	starved bool   // bs: the buffer ran empty since the last request
	audio   bool   // ot=a: the bit rate is the audio's
	present bool
}

// Limits of what is read: a player says some hundred bytes.
const (
	maxReport  = 2048
	maxKeys    = 64
	maxSession = 64 // CTA-5004: "maximum length is 64 characters"
)

// Values beyond are mistakes: ten minutes of buffer or latency, ten Gbit/s.
const (
	maxMillis = 600_000
	maxKbits  = 10_000_000
)

// cmcdHeaders are the four that the keys are spread over, in the form of http.Header.
var cmcdHeaders = [...]string{"Cmcd-Object", "Cmcd-Request", "Cmcd-Session", "Cmcd-Status"}

// readReport reads CMCD from a request's query or headers. It costs nothing where there is none.
func readReport(r *http.Request) report {
	p := report{bitrate: -1, buffer: -1, speed: -1, latency: -1}
	for q := r.URL.RawQuery; q != ""; {
		var param string
		param, q, _ = strings.Cut(q, "&")
		if text, ok := strings.CutPrefix(param, "CMCD="); ok && len(text) <= 3*maxReport {
			if text, err := url.QueryUnescape(text); err == nil {
				p.read(text)
			}
			break
		}
	}
	for _, name := range cmcdHeaders {
		if values := r.Header[name]; len(values) > 0 {
			p.read(values[0])
		}
	}
	return p
}

// read takes in "key=value,key,…": strings are quoted, a key alone is true.
func (p *report) read(text string) {
	if len(text) > maxReport {
		return
	}
	for n := 0; text != "" && n < maxKeys; n++ {
		var item string
		item, text = cutItem(text)
		key, value, valued := strings.Cut(strings.TrimSpace(item), "=")
		switch key {
		case "sid":
			if s := strings.Trim(value, `"`); s != "" && len(s) <= maxSession {
				p.session = s
			}
		case "br":
			number(&p.bitrate, value, maxKbits)
		case "bl":
			number(&p.buffer, value, maxMillis)
		case "mtp":
			number(&p.speed, value, maxKbits)
		case "ltc":
			number(&p.latency, value, maxMillis)
		case "bs":
			p.starved = !valued || value == "true"
		case "ot":
			p.audio = value == "a"
		case "":
			continue
		}
		p.present = true
	}
}

// cutItem cuts at the first comma outside of quotes.
func cutItem(text string) (item, rest string) {
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			return text[:i], text[i+1:]
		}
	}
	return text, ""
}

func number(into *int, value string, most int) {
	if n, err := strconv.Atoi(value); err == nil && n >= 0 && n <= most {
		*into = n
	}
}
