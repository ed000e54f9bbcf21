package main

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

func diskDrills() []drill {
	return []drill{
		{name: "disk full", engine: "sqlite", disk: smallDisk, play: diskFull},
		{name: "slow disk, a second a sync", slow: true, play: slowDisk},
		{name: "I/O errors", engine: "sqlite", slow: true, play: failingDisk},
	}
}

// smallDisk is a file system of its own, big enough for the campaign.
func smallDisk(s *stage) error {
	s.data = filepath.Join(s.dir, "disk")
	if err := os.MkdirAll(s.data, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("tmpfs", s.data, "tmpfs", 0, "size=256m"); err != nil {
		return fmt.Errorf("mount a small disk (this drill needs root): %w", err)
	}
	s.mounted = s.data
	return nil
}

// diskFull fills the disk in the middle and empties it again.
func diskFull(s *stage) error {
	ballast := filepath.Join(s.mounted, "ballast")
	return s.away(func() error { return fill(ballast) }, func() error { return os.Remove(ballast) })
}

// fill writes a file until the disk is full.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	block := make([]byte, 1<<16)
	for err == nil {
		_, err = f.Write(block)
	}
	_ = f.Close() // the disk is full, as meant
	return nil
}

func slowDisk(s *stage) error {
	return s.away(func() error { return s.drive.Slow(time.Second) }, s.drive.Heal)
}

func failingDisk(s *stage) error { return s.away(s.drive.Fail, s.drive.Heal) }
