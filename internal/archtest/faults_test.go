package archtest

import (
	"go/ast"
	"os"
	"regexp"
	"strconv"
	"testing"
)

// TestFaultTable holds docs/faults.md to the tests: every case has a row, and every test it names exists.
func TestFaultTable(t *testing.T) {
	raw, err := os.ReadFile("../../docs/faults.md")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, f := range parseAll(t) {
		if !f.test {
			continue
		}
		for _, d := range f.file.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok {
				known[fn.Name.Name] = true
			}
		}
	}
	rows := map[int]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| (\d+) \|.*(?:Test|Fuzz)\w+.*\|$`).FindAllStringSubmatch(string(raw), -1) {
		n, _ := strconv.Atoi(m[1])
		rows[n] = true
	}
	for n := 1; n <= 45; n++ {
		if !rows[n] {
			t.Errorf("case %d has no test", n)
		}
	}
	for _, n := range []int{57, 58, 62} {
		if !rows[n] {
			t.Errorf("case %d has no test", n)
		}
	}
	for _, name := range regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`).FindAllString(string(raw), -1) {
		if !known[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
