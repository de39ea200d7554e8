package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestJavaScriptSDK drives the daemon with @azure/arm-mediaservices, unmodified, over TLS with the daemon's own certificate:
// that client speaks nothing else.
func TestJavaScriptSDK(t *testing.T) {
	t.Parallel()
	begin(t, 3*time.Minute)
	d := StartDaemon(t, "--control-tls", "self")
	cmd := exec.Command("node", "sdk/azure.mjs", d.Control, filepath.Join(d.Dir, "control.token"))
	cmd.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+filepath.Join(d.Dir, "control.crt"))
	cmd.SysProcAttr = endsWithUs()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}
