package services

import (
	"context"
	"fmt"
	"os/exec"
)

// program is a part that tests run themselves: it is only looked for and
// installed here. Its URL is its path.
type program string

// URL implements [Running].
func (p program) URL() string { return string(p) }

// Stop implements [Running]: there is nothing to stop.
func (p program) Stop() error { return nil }

// programPart is a part of which tests need the path.
func programPart(part Part, find func() (string, error)) Part {
	part.Find = func() error {
		_, err := find()
		return err
	}
	part.Start = func(context.Context) (Running, error) {
		path, err := find()
		return program(path), err
	}
	return part
}

// FindChromium is the path of the browser; wraps [ErrMissing] if there is none.
func FindChromium() (string, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return "", fmt.Errorf("find Chromium (chromium, on PATH): %w", ErrMissing)
	}
	return path, nil
}
