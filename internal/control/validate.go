package control

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"headwater.stream/api"
)

// Name rules (ams-v3 §1.2).
var (
	eventName     = regexp.MustCompile(`^[a-zA-Z0-9]+(-*[a-zA-Z0-9])*$`)
	containerName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
)

const (
	maxEventName    = 32
	maxOutputName   = 256
	maxEndpointName = 24
	maxName         = 260
	maxDescription  = 4096
)

func badName(name, rule string) error {
	return &api.Error{Code: api.CodeInvalidName, Target: "name", Message: fmt.Sprintf("The name %.80q is not allowed: %s.", name, rule)}
}

func checkHostName(name string, most int) error {
	if len(name) > most || !eventName.MatchString(name) {
		return badName(name, fmt.Sprintf("letters, digits and inner hyphens, at most %d", most))
	}
	return nil
}

// validName is the rule for other resources: it also keeps names out of paths and queries.
func validName(name string) bool {
	if name == "" || utf8.RuneCountInString(name) > maxName || !utf8.ValidString(name) || strings.ContainsAny(name, `<>%&:\?/*+.'`) {
		return false
	}
	return !strings.ContainsFunc(name, unicode.IsControl)
}

func checkName(name string) error {
	if !validName(name) {
		return badName(name, `1 to 260 characters, none of < > % & : \ ? / * + . ' and no control characters`)
	}
	return nil
}

func bad(target, format string, args ...any) error {
	return &api.Error{Code: api.CodeBadRequest, Target: target, Message: fmt.Sprintf(format, args...)}
}

func unsupported(target, message, hint string) error {
	return &api.Error{Code: api.CodeBadRequest, Target: target, Message: message, Hint: hint}
}

func conflict(target, hint, format string, args ...any) error {
	return &api.Error{Code: api.CodeConflict, Target: target, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// newGUID makes a random GUID, lower case with hyphens.
func newGUID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80 // RFC 9562 §5.4: version 4
	return guid(b)
}

func guid(b [16]byte) string {
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// parseGUID reads a GUID with or without hyphens, in any case.
func parseGUID(target, text string) (string, error) {
	plain := text
	if len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-' {
		plain = text[:8] + text[9:13] + text[14:18] + text[19:23] + text[24:]
	}
	raw, err := hex.DecodeString(plain)
	if err != nil || len(raw) != 16 {
		return "", bad(target, "'%s' has to be a GUID.", target)
	}
	return guid([16]byte(raw)), nil
}

// oneOf returns the exact spelling of an enum value, which is accepted in any case.
func oneOf(target, value string, spellings ...string) (string, error) {
	for _, s := range spellings {
		if strings.EqualFold(s, value) {
			return s, nil
		}
	}
	return "", bad(target, "'%s' has to be one of %s.", target, strings.Join(spellings, ", "))
}

// checkDuration reads a duration between least and most.
func checkDuration(target, text string, least, most time.Duration) (time.Duration, error) {
	d, err := api.ParseDuration(text)
	if err != nil {
		return 0, bad(target, "'%s': %v.", target, err)
	}
	if d < least || d > most {
		return 0, bad(target, "'%s' has to be between %s and %s, and is %s.", target, api.FormatDuration(least), api.FormatDuration(most), text)
	}
	return d, nil
}

// checkRanges checks an allow list.
func checkRanges(target string, ip *api.IPAccessControl) error {
	if ip == nil {
		return nil
	}
	for _, r := range ip.Allow {
		if _, err := parseRange(r); err != nil {
			return bad(target, "'%s': %v.", target, err)
		}
	}
	return nil
}

// parseRange reads an address with an optional prefix length, given apart, as CIDR, or as a dotted mask (ams-v3 §3.5).
func parseRange(r api.IPRange) (netip.Prefix, error) {
	text, bits := strings.TrimSpace(r.Address), -1
	if address, mask, ok := strings.Cut(strings.TrimSuffix(text, ")"), "("); ok && strings.HasSuffix(text, ")") {
		m, err := netip.ParseAddr(mask)
		if err != nil || !m.Is4() {
			return netip.Prefix{}, fmt.Errorf("%.64q is not an address with a mask", r.Address)
		}
		raw := m.As4()
		n := 0
		for n < 32 && raw[n/8]&(0x80>>(n%8)) != 0 {
			n++
		}
		if p, _ := netip.MustParseAddr("255.255.255.255").Prefix(n); p.Masked().Addr() != m {
			return netip.Prefix{}, fmt.Errorf("%.64q is not a contiguous mask", mask)
		}
		text, bits = address, n
	} else if p, err := netip.ParsePrefix(text); err == nil {
		text, bits = p.Addr().String(), p.Bits()
	}
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Prefix{}, fmt.Errorf("%.64q is not an IP address", r.Address)
	}
	if r.SubnetPrefixLength != nil {
		bits = int(*r.SubnetPrefixLength)
		if bits < 0 || bits > a.BitLen() {
			return netip.Prefix{}, fmt.Errorf("the subnetPrefixLength of %s has to be between 0 and %d", a, a.BitLen())
		}
	}
	if bits < 0 {
		bits = a.BitLen()
	}
	return netip.PrefixFrom(a, bits).Masked(), nil
}

// merge applies a JSON merge patch (RFC 7396) to a resource and reads the result.
func merge[T any](current *T, patch api.Patch) (*T, error) {
	now, err := json.Marshal(current)
	if err != nil {
		return nil, fmt.Errorf("patching: %w", err)
	}
	merged, err := mergePatch(now, patch)
	if err != nil {
		return nil, fmt.Errorf("patching: %w", err)
	}
	return api.DecodeResource[T](merged)
}

func mergePatch(target, patch json.RawMessage) (json.RawMessage, error) {
	var into, from map[string]json.RawMessage
	if json.Unmarshal(patch, &from) != nil || from == nil {
		return patch, nil // not an object: it replaces
	}
	if json.Unmarshal(target, &into) != nil || into == nil {
		into = map[string]json.RawMessage{}
	}
	for name, v := range from {
		at := name
		for have := range into { // member names are matched without regard to case, as everywhere
			if strings.EqualFold(have, name) {
				at = have
			}
		}
		switch {
		case string(v) == "null":
			delete(into, at)
		case at == "tags": // "tags and arrays are replaced whole" (ams-wire §4)
			into[at] = v
		default:
			merged, err := mergePatch(into[at], v)
			if err != nil {
				return nil, err
			}
			into[at] = merged
		}
	}
	return json.Marshal(into)
}
