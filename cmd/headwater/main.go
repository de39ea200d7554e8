// Command headwater is the live streaming server and its command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run executes one command line and returns its exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{}
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	code := a.exitCode(err)
	if reported := (reportedError{}); errors.As(err, &reported) {
		return code
	}
	message, hint := describe(err)
	fmt.Fprintf(stderr, "headwater: %s\n", message)
	if code == exitUsage {
		hint = "Run 'headwater " + strings.Join(append(commandWords(root, args), "--help"), " ") + "' for the usage."
	}
	if hint != "" {
		fmt.Fprintf(stderr, "  %s\n", hint)
	}
	return code
}

// commandWords returns the words of args that name a command, for the hint.
func commandWords(root *cobra.Command, args []string) []string {
	var words []string
	cmd := root
	for _, word := range args {
		next, _, err := cmd.Find([]string{word})
		if err != nil || next == cmd {
			break
		}
		cmd, words = next, append(words, word)
	}
	return words
}
