package servicestest

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"facteur/internal/services"
)

// Verifiers check the DKIM signatures of messages in files.
type Verifiers struct {
	services.Verifiers
	folder string
}

// DKIM finds the verifiers, which take the public keys' records by their names
// in DNS. Where they are not installed the test is skipped, or fails if CI=true.
func DKIM(t testing.TB, records map[string]string) *Verifiers {
	t.Helper()
	found, err := services.FindVerifiers()
	switch {
	case errors.Is(err, services.ErrMissing) && os.Getenv("CI") != "true":
		t.Skip("skipped: needs OpenDKIM and dkimpy; apt-get install opendkim python3-dkim python3-nacl")
	case err != nil:
		t.Fatal(err)
	}
	v := &Verifiers{found, t.TempDir()}
	inJSON, err := json.Marshal(records)
	if err != nil {
		t.Fatal(err)
	}
	var lines bytes.Buffer
	for name, record := range records {
		lines.WriteString(name + " " + record + "\n")
	}
	for name, text := range map[string]string{
		"records.json": string(inJSON), "keys": lines.String(), "verify.py": verifyInPython,
		"opendkim.conf": "Mode v\nTestPublicKeys " + filepath.Join(v.folder, "keys") + "\nAllowSHA1Only no\nMinimumKeyBits 1024\n",
	} {
		if err := os.WriteFile(filepath.Join(v.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return v
}

const verifyInPython = `import json, sys, dkim
records = json.load(open(sys.argv[1]))
message = open(sys.argv[2], "rb").read()
def txt(name, timeout=5):
    return records.get(name.decode().rstrip(".")).encode()
d = dkim.DKIM(message)
n = len([h for h, _ in d.headers if h.lower() == b"dkim-signature"])
if n == 0: print("no signature")
for i in range(n):
    if not dkim.DKIM(message).verify(idx=i, dnsfunc=txt): print("signature %d does not verify" % i)
`

// Check says what each verifier finds wrong with the signatures of a message.
func (v *Verifiers) Check(t testing.TB, message []byte) (faults []string) {
	t.Helper()
	file := filepath.Join(v.folder, "message.eml")
	if err := os.WriteFile(file, message, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(v.Python, filepath.Join(v.folder, "verify.py"), filepath.Join(v.folder, "records.json"), file).CombinedOutput() // #nosec G204 -- a test's own script
	if text := strings.TrimSpace(string(out)); err != nil || text != "" {
		faults = append(faults, "dkimpy: "+text)
	}
	out, err = exec.Command(v.OpenDKIM, "-x", filepath.Join(v.folder, "opendkim.conf"), "-t", file).CombinedOutput() // #nosec G204
	if text := strings.TrimSpace(string(out)); err != nil || !strings.Contains(text, "verification (s=") || strings.Contains(text, "failed") {
		faults = append(faults, "OpenDKIM: "+text)
	}
	return faults
}
