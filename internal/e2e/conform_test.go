package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// conform builds the standards checker, which lies beside the repository and shares no code with it.
var conform = sync.OnceValues(func() (string, error) {
	source, err := filepath.Abs("../../../shared/conform")
	if err != nil {
		return "", err
	}
	path := filepath.Join(scratch(), "conform")
	cmd := exec.Command("go", "build", "-o", path, ".")
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", source, err, out)
	}
	return path, nil
})

// finding is one rule's outcome.
type finding struct {
	ID, Status, Title, Source, Level string
	Checks, Fails                    int
	Evidence                         []string
}

// check runs the checker and fails the test for every MUST that failed, except those whose identifiers begin with one
// of spared; what was spared and what SHOULD be better is logged. It returns the status of each rule.
func check(t *testing.T, d time.Duration, spared []string, args ...string) map[string]string {
	t.Helper()
	path, err := conform()
	if err != nil {
		t.Fatal(err)
	}
	result := filepath.Join(t.TempDir(), "result.json")
	out, runErr := tryRun(d, path, append(args, "-json", result, "-bad")...)
	b, err := os.ReadFile(result)
	if err != nil {
		t.Fatalf("no result: %v\n%s", runErr, out)
	}
	var findings []finding
	if err := json.Unmarshal(b, &findings); err != nil {
		t.Fatal(err)
	}
	passed, status := 0, map[string]string{}
	for _, f := range findings {
		status[f.ID] = f.Status
		switch {
		case f.Status == "PASS":
			passed++
		case f.Status != "FAIL":
		case f.Level == "MUST" && !hasPrefix(f.ID, spared):
			t.Errorf("MUST %s: %s [%s], %d of %d checks failed:\n  %s", f.ID, f.Title, f.Source, f.Fails, f.Checks, strings.Join(f.Evidence, "\n  "))
		default:
			t.Logf("%s %s: %s: %s", f.Level, f.ID, f.Title, strings.Join(f.Evidence, "; "))
		}
	}
	if passed < 30 {
		t.Errorf("only %d rules were exercised", passed)
	}
	return status
}

func hasPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}
