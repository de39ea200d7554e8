package doctor

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of docs/doctor.md anew from the catalogue")

// TestDocs: the table of the documentation is what the catalogue says.
func TestDocs(t *testing.T) {
	all := Codes()
	escape := strings.NewReplacer("*", `\*`, "_", `\_`)
	var b strings.Builder
	b.WriteString("\n| code | severity | what it does to viewers | in OBS | in ffmpeg |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range slices.SortedFunc(maps.Keys(all), func(a, b Code) int {
		return 1000*(int(all[b].Severity)-int(all[a].Severity)) + strings.Compare(string(a), string(b))
	}) {
		a := all[c]
		for _, text := range []string{a.Consequence, a.OBS, a.FFmpeg} {
			if text == "" || strings.ContainsAny(text, "|\n") {
				t.Errorf("%s: %q", c, text)
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", c, a.Severity, a.Consequence, escape.Replace(a.OBS), escape.Replace(a.FFmpeg))
	}
	file := filepath.Join("..", "..", "docs", "doctor.md")
	doc, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "-update -->\n", "<!-- /made -->"
	before, rest, _ := strings.Cut(string(doc), begin)
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		t.Fatal("docs/doctor.md has no place for the table")
	}
	want := before + begin + b.String() + "\n" + end + after
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want != string(doc) {
		t.Error("docs/doctor.md is not what the catalogue says: go test ./internal/doctor -run Docs -update")
	}
}
