package archtest

import (
	"slices"
	"strings"
	"testing"
)

// rooms is the import table of the architecture (docs/architecture.md): what each package may import of ours. A package
// that is missing here fails the test, so that a new room is a decision.
var rooms = map[string][]string{
	"internal/media":    {},
	"internal/filter":   {"internal/media"},
	"internal/timeline": {"internal/media"},
	"internal/doctor":   {"internal/media"},

	"ingest":        {"internal/media"},
	"packager/cmaf": {"internal/media"},
	"packager/hls":  {"internal/media"},
	"packager/dash": {"internal/media"},

	"packager/progressive": {"internal/media"},
	"packager/keyframe":    {},

	"archive":           {"internal/media", "internal/timeline"},
	"archive/fsstore":   {"archive", "internal/media", "internal/timeline"},
	"archive/storetest": {"archive", "internal/media", "internal/timeline"},

	"internal/storyboard": {"archive", "internal/media", "packager/keyframe"},

	"locator": {"internal/media"},
	"origin":  {"internal/media", "locator", "packager/hls", "packager/dash", "packager/keyframe", "packager/progressive"},

	"api":                      {},
	"internal/access":          {"api"},
	"internal/journal":         {},
	"internal/hook":            {"internal/journal"},
	"internal/control":         {"api", "internal/access", "internal/doctor", "internal/filter", "internal/journal", "internal/state", "locator"},
	"internal/state":           {},
	"internal/state/boltstate": {"internal/state"},
	"internal/state/memstate":  {"internal/state"},
	"internal/state/statetest": {"internal/state"},

	"internal/node": {everything},
	"cmd/headwater": {"api", "internal/lint", "internal/node", "locator"},

	"internal/webfile": {},
	"internal/watch":   {"internal/webfile"},
	"internal/console": {"api", "internal/watch", "internal/webfile"},

	"internal/lint":     {},
	"internal/archtest": {},
	"internal/e2e":      {},
}

const everything = "*"

// only lists libraries and standard packages that belong to some rooms alone.
var only = map[string][]string{
	"github.com/yutopp/go-rtmp": {"ingest"},
	"github.com/yutopp/go-amf0": {"ingest"},
	"github.com/golang-jwt/jwt": {"internal/access", "cmd/headwater"},
	"go.etcd.io/bbolt":          {"internal/state/boltstate"},
	"github.com/spf13/cobra":    {"cmd/headwater"},
	"testing":                   {"archive/storetest", "internal/state/statetest"},
}

// TestImports holds every package to the table. Tests of a package may use any room but the wiring one, because tests
// bring real neighbours together.
func TestImports(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range parseAll(t) {
		allowed, known := rooms[s.dir]
		seen[s.dir] = true
		if !known {
			t.Errorf("%s: package %s is not in the import table", s.name, s.dir)
			continue
		}
		free := slices.Contains(allowed, everything)
		for _, i := range s.imports {
			p, isOurs := ours(i)
			switch {
			case isOurs && s.test:
				if p != s.dir && (p == "internal/node" && !free && !slices.Contains(allowed, p) || strings.HasPrefix(p, "cmd/")) {
					t.Errorf("%s: a test outside the wiring room imports %s", s.name, p)
				}
			case isOurs && p != s.dir && !free && !slices.Contains(allowed, p):
				t.Errorf("%s: %s must not import %s", s.name, s.dir, p)
			case isOurs && strings.HasPrefix(p, "cmd/"):
				t.Errorf("%s: nothing imports a command (%s)", s.name, p)
			case !isOurs && !s.test:
				for library, where := range only {
					if (i == library || strings.HasPrefix(i, library+"/")) && !slices.Contains(where, s.dir) {
						t.Errorf("%s: %s belongs to %s only", s.name, library, strings.Join(where, ", "))
					}
				}
			}
		}
	}
	for _, dir := range []string{"internal/media", "packager/cmaf"} {
		if !seen[dir] {
			t.Errorf("the walk did not find %s: it does not read the whole repository", dir)
		}
	}
}

// pure are the rooms that get everything by argument: no I/O, no clock, no goroutine.
var pure = []string{"packager", "locator", "internal/media", "internal/doctor"}

// TestPurity: the same samples give the same bytes, always and everywhere; that is what makes a part immutable.
func TestPurity(t *testing.T) {
	clock := []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	closed := []string{"net", "net/http", "os", "io/ioutil", "syscall", "math/rand", "math/rand/v2", "crypto/rand", "log", "log/slog"}
	for _, s := range parseAll(t) {
		if s.test || !slices.ContainsFunc(pure, func(room string) bool { return s.dir == room || strings.HasPrefix(s.dir, room+"/") }) {
			continue
		}
		for _, i := range s.imports {
			if slices.Contains(closed, i) {
				t.Errorf("%s: %s must not import %s", s.name, s.dir, i)
			}
		}
		for _, use := range calls(s, "time", clock) {
			t.Errorf("%s: %s must not read the clock", s.pos(use), s.dir)
		}
	}
}
