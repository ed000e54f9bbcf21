package rig_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"facteur/internal/rig"
)

// dd writes a block to a file and syncs it, through libc.
func dd(t *testing.T, d *rig.Disk, file string) (took time.Duration, err error) {
	t.Helper()
	cmd := exec.Command("dd", "if=/dev/zero", "of="+file, "bs=512", "count=1", "conv=fsync,notrunc", "status=none")
	cmd.Env = d.Env()
	begin := time.Now()
	said, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(said), "Input/output error") {
		t.Fatalf("dd: %v: %s", err, said)
	}
	return time.Since(begin), err
}

func TestDisk_IsSlowAndFailsAsTold(t *testing.T) {
	if _, err := exec.LookPath("cc"); err != nil {
		t.Skip("skipped: no C compiler")
	}
	d, err := rig.NewDisk(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := t.TempDir() + "/block"
	if _, err := dd(t, d, file); err != nil {
		t.Fatal(err)
	}
	if err := d.Slow(300 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if took, err := dd(t, d, file); err != nil || took < 300*time.Millisecond {
		t.Errorf("slow by 300 ms it took %s, %v", took, err)
	}
	if err := d.Fail(); err != nil {
		t.Fatal(err)
	}
	if _, err := dd(t, d, file); err == nil {
		t.Error("a failing disk took a write")
	}
	if err := d.Heal(); err != nil {
		t.Fatal(err)
	}
	if _, err := dd(t, d, file); err != nil {
		t.Errorf("a healed disk: %v", err)
	}
}

// resolve asks a server for a name.
func resolve(t *testing.T, server string) (string, error) {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server)
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := r.LookupHost(ctx, "relay.drill.test.")
	if err != nil {
		return "", err
	}
	return found[0], nil
}

func TestNames_AreAwayOnlyWhileStopped(t *testing.T) {
	n, err := rig.StartNames()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = n.Stop() }()
	if err := n.Stop(); err != nil {
		t.Fatal(err)
	}
	if ip, err := resolve(t, n.Addr()); err == nil {
		t.Errorf("a stopped server says %s", ip)
	}
	if err := n.Start(); err != nil {
		t.Fatal(err)
	}
	if ip, err := resolve(t, n.Addr()); err != nil || ip != "127.0.0.1" {
		t.Errorf("%q, %v", ip, err)
	}
}
