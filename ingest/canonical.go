package ingest

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// These functions write the commands that go-rtmp gets to see. Whatever shape the encoder chose (AMF3 wrapping,
// undefined for null, missing or odd fields), the library reads the one shape its decoder knows.

func canonicalConnect() []byte {
	b := appendAMFString(nil, "connect")
	b = appendAMFNumber(b, 1)
	return appendAMFObject(b, "app", "-") // the name is ours to know
}

func canonicalCreateStream(transaction float64) []byte {
	b := appendAMFString(nil, "createStream")
	b = appendAMFNumber(b, transaction)
	return append(b, amfNull)
}

func canonicalPublish() []byte {
	b := appendAMFString(nil, "publish")
	b = appendAMFNumber(b, 0)
	b = append(b, amfNull)
	b = appendAMFString(b, "-")
	return appendAMFString(b, "live")
}

func canonicalDeleteStream(id uint32) []byte {
	b := appendAMFString(nil, "deleteStream")
	b = appendAMFNumber(b, 0)
	b = append(b, amfNull)
	return appendAMFNumber(b, float64(id))
}

// splitQuery cuts a name at its first question mark.
func splitQuery(s string) (name, query string) {
	name, query, _ = strings.Cut(s, "?")
	return name, query
}

// plain reports whether s is text that may travel further: valid UTF-8 without control characters, at most n bytes.
func plain(s string, n int) bool {
	return len(s) <= n && utf8.ValidString(s) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// sanitize makes encoder text fit for a log line.
func sanitize(s string) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, s[:min(len(s), 256)])
	return strings.ToValidUTF8(s[:min(len(s), 64)], "")
}
