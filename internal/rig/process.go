package rig

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build compiles facteur into dir and returns the binary's path. The tag
// "drill" gives it a clock that the file DRILL_CLOCK sets off.
func Build(ctx context.Context, dir string, tags ...string) (string, error) {
	binary := filepath.Join(dir, "facteur")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", strings.Join(tags, ","), "-o", binary, "facteur/cmd/facteur")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build facteur: %w\n%s", err, out)
	}
	return binary, nil
}

// FreePort is a loopback port that nobody listened on a moment ago.
func FreePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}

// Process is one running facteur, or one that was killed and may be started again.
type Process struct {
	Binary string
	Roles  string // "" for all
	Args   []string
	Env    []string // besides PATH and HOME
	Addr   string   // where it serves HTTP
	Log    string   // the file that collects its output

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{}
}

// Token is the admin token of every process of a rig.
const Token = "a-token-of-the-rig-0123456789"

// New is a process with all roles (or those given) on a free port.
func New(binary, dataDir string, env []string, roles string) (*Process, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	p := &Process{Binary: binary, Roles: roles, Addr: "127.0.0.1:" + strconv.Itoa(port), Log: dataDir + ".log"}
	p.Args = []string{"serve"}
	if roles != "" {
		p.Args = append(p.Args, "--roles", roles)
	}
	p.Env = append([]string{"FACTEUR_DATA_DIR=" + dataDir, "FACTEUR_HTTP_ADDR=" + p.Addr, "FACTEUR_ADMIN_TOKEN=" + Token, "FACTEUR_RECIPIENT_RATE=0"}, env...)
	return p, nil
}

// Start runs it and waits until it is ready.
func (p *Process) Start(ctx context.Context) error {
	log, err := os.OpenFile(p.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(p.Binary, p.Args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, p.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return err
	}
	done := make(chan struct{})
	go func() { _ = cmd.Wait(); close(done) }()
	p.mu.Lock()
	p.cmd, p.done = cmd, done
	p.mu.Unlock()
	for range 600 {
		select {
		case <-done:
			return fmt.Errorf("facteur ended at its start; its log %s ends with:\n%s", p.Log, tail(p.Log))
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		if res, err := http.Get("http://" + p.Addr + "/readyz"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
	}
	return fmt.Errorf("facteur was not ready within 30 s; its log %s ends with:\n%s", p.Log, tail(p.Log))
}

// Running tells whether it was started and has not ended.
func (p *Process) Running() bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	if done == nil {
		return false
	}
	select {
	case <-done:
		return false
	default:
		return true
	}
}

// PID is the process's id while it runs.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Signal sends a signal to the process by its id.
func (p *Process) Signal(s syscall.Signal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil {
		return errors.New("not started")
	}
	return p.cmd.Process.Signal(s)
}

// Kill is kill -9; it returns when the process is gone.
func (p *Process) Kill() error {
	err := p.Signal(syscall.SIGKILL)
	p.wait(10 * time.Second)
	return err
}

// Stop is SIGTERM; it returns when the process has drained, and how long that took.
func (p *Process) Stop() (time.Duration, error) {
	at := time.Now()
	if err := p.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	if !p.wait(40 * time.Second) {
		_ = p.Kill()
		return time.Since(at), errors.New("did not stop within 40 s of SIGTERM")
	}
	return time.Since(at), nil
}

func (p *Process) wait(most time.Duration) bool {
	p.mu.Lock()
	done := p.done
	p.mu.Unlock()
	select {
	case <-done:
		return true
	case <-time.After(most):
		return false
	}
}

// Usage is what a process has used so far.
type Usage struct {
	CPU  time.Duration
	Peak int64 // resident memory at its highest, bytes
}

// Usage reads it from /proc.
func (p *Process) Usage() (Usage, error) {
	return UsageOf(p.PID())
}

// UsageOf reads a process's use from /proc.
func UsageOf(pid int) (Usage, error) {
	var u Usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	u.CPU = time.Duration(user+system) * (time.Second / 100) // USER_HZ is 100 on Linux
	status, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	defer func() { _ = status.Close() }()
	for lines := bufio.NewScanner(status); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			kb, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			u.Peak = kb << 10
		}
	}
	return u, nil
}

func tail(file string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	if len(b) > 2000 {
		b = b[len(b)-2000:]
	}
	return string(b)
}
