package services

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Verifiers are two programs that check DKIM signatures.
type Verifiers struct {
	OpenDKIM string // its path
	Python   string // has dkim (dkimpy) and nacl
}

// FindVerifiers is where they are; wraps [ErrMissing] if one is not.
func FindVerifiers() (Verifiers, error) {
	v := Verifiers{OpenDKIM: "/usr/sbin/opendkim", Python: "/usr/bin/python3"}
	if _, err := os.Stat(v.OpenDKIM); err != nil {
		return v, fmt.Errorf("find OpenDKIM (%s): %w", v.OpenDKIM, ErrMissing)
	}
	if err := exec.Command(v.Python, "-c", "import dkim, nacl").Run(); errors.Is(err, os.ErrNotExist) || err != nil {
		return v, fmt.Errorf("find dkimpy (python3-dkim, python3-nacl): %w", ErrMissing)
	}
	return v, nil
}
