package lint

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// Event is an emsg box (ISO 23009-1 5.10.3.3).
type Event struct {
	Version   byte
	Scheme    string
	Timescale uint32
}

// Clock is a prft box (ISO 14496-12 8.16.5).
type Clock struct {
	Track uint32
	NTP   uint64 // seconds since 1900 in the upper half
	Media int64
}

// extras takes the boxes of a segment apart that are not of its samples, and says what is wrong with where they are.
func (o *Object) extras(b []byte) {
	var after string // the box before, of those that matter
	pending := ""    // an emsg or prft for which no moof has come yet
	for len(b) >= 8 {
		size := uint64(binary.BigEndian.Uint32(b))
		head := 8
		if size == 1 && len(b) >= 16 {
			size, head = binary.BigEndian.Uint64(b[8:]), 16
		}
		if size < uint64(head) || size > uint64(len(b)) {
			return
		}
		kind, body := string(b[4:8]), b[head:size]
		switch kind {
		case "emsg":
			o.event(body)
			pending = kind
		case "prft":
			if len(body) < 20 || body[0] > 0 && len(body) < 24 {
				o.misplace("a prft of %d bytes", len(body))
				break
			}
			c := Clock{Track: binary.BigEndian.Uint32(body[4:]), NTP: binary.BigEndian.Uint64(body[8:]), Media: int64(binary.BigEndian.Uint32(body[16:]))}
			if body[0] > 0 {
				c.Media = int64(binary.BigEndian.Uint64(body[16:]))
			}
			if len(o.Clocks) < maxProblems {
				o.Clocks = append(o.Clocks, c)
			}
			pending = kind
		case "moof":
			pending = ""
		}
		if after == "moof" && kind != "mdat" {
			o.misplace("a %q between moof and mdat", kind)
		}
		after = kind
		b = b[size:]
	}
	if pending != "" {
		o.misplace("a %q behind the last fragment", pending)
	}
}

func (o *Object) misplace(format string, args ...any) {
	if o.Misplaced == "" {
		o.Misplaced = fmt.Sprintf(format, args...)
	}
}

func (o *Object) event(body []byte) {
	if len(body) < 4 || len(o.Events) >= maxProblems {
		return
	}
	e := Event{Version: body[0]}
	texts := body[4:]
	switch {
	case e.Version == 0:
	case len(texts) < 20:
		o.misplace("an emsg of %d bytes", len(body))
		return
	default:
		e.Timescale, texts = binary.BigEndian.Uint32(texts), texts[20:]
	}
	scheme, rest, _ := strings.Cut(string(texts), "\x00")
	e.Scheme = scheme
	if e.Version == 0 {
		if _, fields, ok := strings.Cut(rest, "\x00"); ok && len(fields) >= 4 {
			e.Timescale = binary.BigEndian.Uint32([]byte(fields[:4]))
		}
	}
	o.Events = append(o.Events, e)
}

// shorten makes of a range that ends inside of an mdat one that is whole boxes: a list of single pictures has such ranges.
func shorten(b []byte) []byte {
	for at := 0; at+8 <= len(b); {
		size := int(binary.BigEndian.Uint32(b[at:]))
		if size > len(b)-at && string(b[at+4:at+8]) == "mdat" {
			b = append([]byte(nil), b...)
			binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at))
			return b
		}
		if size < 8 {
			return b
		}
		at += size
	}
	return b
}
