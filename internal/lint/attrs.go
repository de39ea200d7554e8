package lint

import (
	"fmt"
	"strconv"
	"strings"
)

// Attrs are the attributes of a tag. Quoted strings are without their quotes.
type Attrs map[string]Attr

// Attr is the value of an attribute.
type Attr struct {
	Value  string
	Quoted bool
}

// text returns a value, "" when there is none.
func (a Attrs) text(name string) string { return a[name].Value }

func (a Attrs) has(name string) bool { _, ok := a[name]; return ok }

// number returns a decimal value, or -1.
func (a Attrs) number(name string) float64 {
	v, err := strconv.ParseFloat(a[name].Value, 64)
	if err != nil || v < 0 || v > 1e15 {
		return -1
	}
	return v
}

// integer returns a decimal-integer value, or -1.
func (a Attrs) integer(name string) int64 {
	v, err := strconv.ParseUint(a[name].Value, 10, 62)
	if err != nil {
		return -1
	}
	return int64(v)
}

// parseAttrs parses an attribute list strictly (8216bis 4.2): no spaces, no duplicates.
func parseAttrs(s string) (Attrs, error) {
	a := Attrs{}
	for s != "" {
		name, rest, ok := strings.Cut(s, "=")
		if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return a, fmt.Errorf("bad attribute name in %q", s)
		}
		if a.has(name) {
			return a, fmt.Errorf("the attribute %s is there twice", name)
		}
		var v Attr
		if strings.HasPrefix(rest, `"`) {
			v.Quoted = true
			v.Value, rest, ok = strings.Cut(rest[1:], `"`)
			if !ok {
				return a, fmt.Errorf("the string of %s does not end", name)
			}
		} else {
			end := strings.IndexByte(rest, ',')
			if end < 0 {
				end = len(rest)
			}
			v.Value, rest = rest[:end], rest[end:]
			if v.Value == "" || strings.ContainsAny(v.Value, " \t\"") {
				return a, fmt.Errorf("the value %q of %s", v.Value, name)
			}
		}
		a[name] = v
		if s = rest; s == "" {
			break
		}
		if s[0] != ',' || len(s) == 1 {
			return a, fmt.Errorf("%q after %s", s, name)
		}
		s = s[1:]
	}
	return a, nil
}

// quoted are the attributes whose values are quoted strings, and unquoted those that are not (8216bis 4.4); both of every tag
// that has them.
var (
	quoted   = []string{"CODECS", "SUPPLEMENTAL-CODECS", "URI", "GROUP-ID", "NAME", "LANGUAGE", "ASSOC-LANGUAGE", "AUDIO", "VIDEO", "SUBTITLES", "CHANNELS", "INSTREAM-ID", "BYTERANGE", "ID", "CLASS", "START-DATE", "END-DATE", "PATHWAY-ID"}
	unquoted = []string{"BANDWIDTH", "AVERAGE-BANDWIDTH", "RESOLUTION", "FRAME-RATE", "HDCP-LEVEL", "TYPE", "DEFAULT", "AUTOSELECT", "FORCED", "DURATION", "INDEPENDENT", "GAP", "PART-TARGET", "CAN-BLOCK-RELOAD", "CAN-SKIP-UNTIL", "CAN-SKIP-DATERANGES", "HOLD-BACK", "PART-HOLD-BACK", "LAST-MSN", "LAST-PART", "SKIPPED-SEGMENTS", "BYTERANGE-START", "BYTERANGE-LENGTH", "TIME-OFFSET", "PRECISE", "METHOD"}
)

// checkQuotes says which attribute is quoted and must not be, or the other way round.
func checkQuotes(tag string, a Attrs) string {
	for _, name := range quoted {
		if v, ok := a[name]; ok && !v.Quoted {
			return fmt.Sprintf("%s of %s is not a quoted string: %s", name, tag, v.Value)
		}
	}
	for _, name := range unquoted {
		if v, ok := a[name]; ok && v.Quoted && (name != "TYPE" || !strings.HasPrefix(tag, "EXT-X-DATERANGE")) {
			return fmt.Sprintf("%s of %s is quoted: %q", name, tag, v.Value)
		}
	}
	return ""
}
