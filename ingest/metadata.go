package ingest

import (
	"net/url"
	"strconv"
)

// hints is what an encoder claims about its stream, in onMetaData or in the query. Nothing but the wait for a second
// track and the declared bit rates depends on it: encoders lie.
type hints struct {
	seen                 bool // onMetaData came
	video, audio         bool // it speaks of video, of audio
	videoKbit, audioKbit float64
	software             string // its name
}

// queryHints takes the bit rates from a query such as "videodatarate=6000".
func queryHints(query string) hints {
	var h hints
	v, err := url.ParseQuery(query)
	if err != nil {
		return h
	}
	h.videoKbit, _ = strconv.ParseFloat(v.Get("videodatarate"), 64)
	h.audioKbit, _ = strconv.ParseFloat(v.Get("audiodatarate"), 64)
	return h
}

// dataName reads what a data message is about: "onMetaData", also behind "@setDataFrame"; "" when it is no name.
func dataName(r *amfReader) (string, error) {
	v, err := r.value()
	if err == nil && v == "@setDataFrame" {
		v, err = r.value()
	}
	name, _ := v.(string)
	return name, err
}

// read takes the properties of an onMetaData.
func (h *hints) read(r *amfReader) error {
	v, err := r.value()
	if err != nil {
		return err
	}
	o, _ := v.(amfProperties)
	h.seen = true
	if name, ok := o.get("encoder").(string); ok {
		h.software = sanitize(name)
	}
	h.video = claims(o, "videocodecid", "width", "framerate")
	h.audio = claims(o, "audiocodecid", "audiosamplerate", "audiochannels")
	if n, ok := o.get("videodatarate").(float64); ok {
		h.videoKbit = n
	}
	if n, ok := o.get("audiodatarate").(float64); ok {
		h.audioKbit = n
	}
	return nil
}

// claims reports whether any of the properties says something other than nothing.
func claims(o amfProperties, names ...string) bool {
	for _, n := range names {
		switch v := o.get(n).(type) {
		case float64:
			if v > 0 {
				return true
			}
		case string:
			if v != "" {
				return true
			}
		}
	}
	return false
}

// bitsPerSecond returns a declared rate in kbit/s as bit/s, 0 when it is not believable.
func bitsPerSecond(kbit float64) int {
	if kbit > 0 && kbit < 1e6 {
		return int(kbit * 1000)
	}
	return 0
}
