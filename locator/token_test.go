package locator_test

import (
	"strings"
	"testing"

	"headwater.stream/locator"
)

func TestCutToken(t *testing.T) {
	plain := "/" + id + "/show.ism/master.m3u8"
	for _, c := range []struct{ path, query, token, rest string }{
		{plain, "", "", plain},
		{locator.WithToken(plain, "a.b-_.C9"), "", "a.b-_.C9", plain},
		{locator.WithToken(plain, "a.b.c"), "token=other", "a.b.c", plain},
		{plain, "token=a.b.c", "a.b.c", plain},
		{plain, "_HLS_msn=3&token=a.b.c&_HLS_part=1", "a.b.c", plain},
		{plain, "token=a%2eb", "", plain},
		{plain, "token=" + strings.Repeat("a", 2049), "", plain},
		{plain, "tokens=a.b.c&Token=a&xtoken=b", "", plain},
		// These are no tokens; Parse refuses what is left.
		{"/t/a%2eb" + plain, "", "", "/t/a%2eb" + plain},
		{"/t/" + plain, "", "", "/t/" + plain},
		{"/t/a.b.c", "", "", "/t/a.b.c"},
		{"/t/" + strings.Repeat("a", 2049) + plain, "", "", "/t/" + strings.Repeat("a", 2049) + plain},
		{"/%74/a.b.c" + plain, "", "", "/%74/a.b.c" + plain},
	} {
		token, rest := locator.CutToken(c.path, c.query)
		if token != c.token || rest != c.rest {
			t.Errorf("CutToken(%.60q, %.60q) = %q, %.60q, want %q, %.60q", c.path, c.query, token, rest, c.token, c.rest)
		}
		if _, err := locator.Parse(rest); (err == nil) != (rest == plain) {
			t.Errorf("Parse(%.60q): %v", rest, err)
		}
	}
	// One token only.
	if _, rest := locator.CutToken("/t/a/t/b"+plain, ""); rest != "/t/b"+plain {
		t.Errorf("two tokens: %q", rest)
	}
}

func TestCutAuth(t *testing.T) {
	for _, c := range []struct {
		path, query, id, token string
		ok                     bool
	}{
		{"/auth/" + id, "", id, "", true},
		{"/auth/" + strings.ToUpper(id), "", id, "", true},
		{"/auth/t/a.b.c/" + id, "", id, "a.b.c", true},
		{"/auth/" + id, "token=a.b.c", id, "a.b.c", true},
		{"/auth/watch", "", "", "", true},
		{"/auth/", "", "", "", true},
		{"/auth/" + id + "/show.ism/master.m3u8", "", "", "", true},
		{"/auth", "", "", "", false},
		{"/" + id + "/show.ism/master.m3u8", "", "", "", false},
	} {
		gotID, token, ok := locator.CutAuth(c.path, c.query)
		if gotID != c.id || token != c.token || ok != c.ok {
			t.Errorf("CutAuth(%q, %q) = %q, %q, %v", c.path, c.query, gotID, token, ok)
		}
	}
}
