package origin

import (
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
)

// parse reads the header of a request, a string that what is in the request shares. ok is false for whatever is not plain
// and sound: what to make of that is net/http's to say.
func (c *short) parse(head string) (req *http.Request, ok bool) {
	line, rest, _ := strings.Cut(head, "\r\n")
	method, line, _ := strings.Cut(line, " ")
	target, proto, _ := strings.Cut(line, " ")
	if proto != "HTTP/1.1" || method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions {
		return nil, false
	}
	path, query, asked := strings.Cut(target, "?")
	if !plainPath(path) || !plainQuery(query) {
		return nil, false
	}
	host, ok := c.fields(rest)
	if !ok {
		return nil, false
	}
	req = (&http.Request{
		Method: method, URL: &url.URL{Path: path, RawQuery: query, ForceQuery: asked && query == ""}, Proto: proto, ProtoMajor: 1, ProtoMinor: 1, Header: c.header,
		Body: http.NoBody, Host: host, RemoteAddr: c.remote, RequestURI: target,
	}).WithContext(c.ctx)
	return req, true
}

// fields reads the header fields.
func (c *short) fields(rest string) (host string, ok bool) {
	clear(c.header)
	clear(c.values)
	c.values = c.values[:0]
	for {
		var line string
		if line, rest, _ = strings.Cut(rest, "\r\n"); line == "" {
			return host, host != ""
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || !token(name) || !plainValue(value) {
			return "", false
		}
		value = strings.Trim(value, " \t")
		key := textproto.CanonicalMIMEHeaderKey(name)
		switch key {
		case "Host":
			if host != "" || !plainHost(value) {
				return "", false
			}
			host = value
			continue
		case "Connection":
			if !strings.EqualFold(value, "keep-alive") {
				return "", false
			}
		case "Content-Length", "Transfer-Encoding", "Trailer", "Expect", "Upgrade", "Pragma":
			return "", false
		}
		if before := c.header[key]; before != nil {
			c.header[key] = append(before, value)
			continue
		}
		c.values = append(c.values, value)
		n := len(c.values)
		c.header[key] = c.values[n-1 : n : n]
	}
}

// plainPath reports whether a path is absolute, without escapes and without anything that would need one.
func plainPath(s string) bool {
	if s == "" || s[0] != '/' || strings.HasPrefix(s, "//") {
		return false
	}
	for i := range len(s) {
		if b := s[i]; !alphanumeric(b) && strings.IndexByte("/-._~!$&'()*+,;=:@", b) < 0 {
			return false
		}
	}
	return true
}

func plainQuery(s string) bool {
	for i := range len(s) {
		if b := s[i]; b <= ' ' || b >= 0x7f || b == '#' {
			return false
		}
	}
	return true
}

func plainHost(s string) bool {
	for i := range len(s) {
		if b := s[i]; !alphanumeric(b) && strings.IndexByte("-._:[]", b) < 0 {
			return false
		}
	}
	return s != ""
}

func plainValue(s string) bool {
	for i := range len(s) {
		if b := s[i]; b < ' ' && b != '\t' || b == 0x7f {
			return false
		}
	}
	return true
}

// token reports whether s is a token (RFC 9110 5.6.2).
func token(s string) bool {
	for i := range len(s) {
		if b := s[i]; !alphanumeric(b) && strings.IndexByte("!#$%&'*+-.^_`|~", b) < 0 {
			return false
		}
	}
	return s != ""
}

func alphanumeric(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}
