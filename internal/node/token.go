package node

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// tokenName is the file in the data directory that holds the token of the control API.
const tokenName = "control.token"

// loadToken returns the control API's token, making it at the first start.
func loadToken(dataDir string) (token, path string, err error) {
	path = filepath.Join(dataDir, tokenName)
	b, err := os.ReadFile(path)
	if err == nil {
		if token = strings.TrimSpace(string(b)); len(token) < 32 {
			return "", "", fmt.Errorf("%s holds no token: remove it to have one made", path)
		}
		return token, path, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", "", fmt.Errorf("reading the control token: %w", err)
	}
	raw := make([]byte, 32)
	rand.Read(raw)
	token = hex.EncodeToString(raw)
	if err := writeFile(path, []byte(token+"\n"), 0o600); err != nil {
		return "", "", err
	}
	return token, path, nil
}

// writeFile puts a file in place whole: temporary, fsync, rename, fsync the directory.
func writeFile(path string, body []byte, mode fs.FileMode) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	_, err = f.Write(body)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return syncDirectory(filepath.Dir(path))
}
