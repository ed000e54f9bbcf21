package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"

	"facteur/internal/services"
)

// installing is run by a shell as root with the packages as arguments. Neither
// runlevel 1 nor exit code 101 of policy-rc.d (the administrator's veto, see
// invoke-rc.d(8)) lets a package start its system service; a veto that is there
// already stays.
const installing = `
set -eu
veto=/usr/sbin/policy-rc.d
if [ ! -e "$veto" ]; then
	trap 'rm -f "$veto"' EXIT
	trap 'exit 1' HUP INT TERM
	printf '#!/bin/sh\nexit 101\n' >"$veto"
	chmod 755 "$veto"
fi
export DEBIAN_FRONTEND=noninteractive RUNLEVEL=1
apt-get -q update || echo 'services: apt-get update failed; going on with the lists at hand'
apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 install "$@"
`

// provide installs what is missing, if it may, and returns the parts that are
// there then. It prints a line for each that is not; with CI=true that is an
// error.
func provide(ctx context.Context, parts []services.Part, mayInstall bool) ([]services.Part, error) {
	_, lacking, err := split(parts)
	if err != nil {
		return nil, err
	}
	if root, may := asRoot(ctx); mayInstall && may && len(lacking) > 0 {
		// What failed to install is reported below as missing, with the reason
		// just above it.
		if err := install(root, lacking); err != nil {
			fmt.Fprintln(os.Stderr, "services:", err)
		}
	}
	there, lacking, err := split(parts)
	if err != nil {
		return nil, err
	}
	for _, part := range lacking {
		fmt.Fprintf(os.Stderr, "skipped: %s tests; apt-get install %s\n", part.Title, strings.Join(part.Packages, " "))
	}
	if len(lacking) > 0 && os.Getenv("CI") == "true" {
		return nil, errors.New("CI=true, and what is named above is missing")
	}
	return there, nil
}

// split tells the parts that are installed from those that are not.
func split(parts []services.Part) (there, lacking []services.Part, err error) {
	for _, part := range parts {
		switch err := part.Find(); {
		case err == nil:
			there = append(there, part)
		case errors.Is(err, services.ErrMissing):
			lacking = append(lacking, part)
		default:
			return nil, nil, fmt.Errorf("look for %s: %w", part.Title, err)
		}
	}
	return there, lacking, nil
}

// asRoot is what to put before a command so that it runs as root, and whether
// that is possible here without asking anybody, on a system with apt-get.
func asRoot(ctx context.Context) (prefix []string, possible bool) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return nil, false
	}
	if os.Geteuid() == 0 {
		return nil, true
	}
	if exec.CommandContext(ctx, "sudo", "-n", "true").Run() != nil {
		return nil, false
	}
	return []string{"sudo", "-n"}, true
}

// install is not bound to a context: a package manager is not to be killed in
// the middle of its work. An interrupt at the terminal reaches it by itself.
func install(root []string, parts []services.Part) error {
	var packages []string
	for _, part := range parts {
		packages = append(packages, part.Packages...)
	}
	list := strings.Join(packages, " ")
	fmt.Fprintf(os.Stderr, "services: installing %s; their system services are not started\n", list)
	line := append(append(root, "sh", "-c", installing, "installing"), packages...)
	cmd := exec.Command(line[0], line[1:]...)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install %s: %w", list, err)
	}
	return nil
}
