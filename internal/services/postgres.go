package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"

	"github.com/jackc/pgx/v5"
)

// PostgresOptions says what a PostgreSQL for tests shall be like; the zero value
// will do.
type PostgresOptions struct {
	// Dir is where its folder is made; empty: the system's temporary folder. A
	// bench gives one on a real disk, as /tmp may be memory. The account it runs
	// under must be able to get there.
	Dir string
	// MaxConnections at the same time; 0: 200.
	MaxConnections int
	// Settings of postgresql.conf on top of ours, such as "work_mem": "64MB".
	Settings map[string]string
	// Env is put into its environment on top of ours, such as "TZ=UTC".
	Env []string
}

// Postgres is a real PostgreSQL with durable settings (fsync and
// synchronous_commit are on). It trusts every connection from loopback and
// listens nowhere else. Its methods are for one goroutine at a time.
type Postgres struct {
	server   *server
	programs string // folder
	account  *syscall.Credential
	options  PostgresOptions
}

// StartPostgres makes a new, empty cluster and starts it. The context bounds the
// start (a minute if it has no deadline), not the life of the server, which ends
// with Stop. Wraps [ErrMissing] if PostgreSQL is not installed. As root it runs
// under the account postgres, or nobody.
func StartPostgres(ctx context.Context, options PostgresOptions) (*Postgres, error) {
	programs, err := findPostgres()
	if err != nil {
		return nil, err
	}
	account, err := plainAccount("postgres")
	if err != nil {
		return nil, fmt.Errorf("start PostgreSQL: %w", err)
	}
	p := &Postgres{programs: programs, account: account, options: options}
	if err := p.start(ctx, p.initialise); err != nil {
		return nil, err
	}
	return p, nil
}

// start fills a folder by fill and starts a server on it.
func (p *Postgres) start(ctx context.Context, fill func(context.Context) error) error {
	folder, err := newFolder(p.options.Dir, "postgres")
	if err != nil {
		return err
	}
	p.server = &server{
		title:   "PostgreSQL",
		folder:  folder,
		quit:    syscall.SIGINT,  // "fast": ends sessions, writes a checkpoint
		death:   syscall.SIGQUIT, // "immediate": takes all its children with it
		answers: p.answers,
		command: func() *exec.Cmd {
			cmd := exec.Command(filepath.Join(p.programs, "postgres"), p.arguments()...)
			cmd.Env = append(os.Environ(), p.options.Env...)
			runAs(cmd, p.account)
			return cmd
		},
	}
	if p.account != nil {
		err = os.Chown(folder.path, int(p.account.Uid), int(p.account.Gid))
	}
	if err == nil {
		err = fill(ctx)
	}
	if err == nil {
		err = p.server.startAnywhere(ctx)
	}
	if err != nil {
		return errors.Join(err, folder.remove())
	}
	return nil
}

// URL is what a client connects to: a superuser in the database "postgres", so
// that tests may create databases of their own.
func (p *Postgres) URL() string { return p.URLOf("facteur", p.Addr()) }

// URLOf is the same for another role, by way of another host:port.
func (p *Postgres) URLOf(role, addr string) string {
	u := url.URL{Scheme: "postgres", User: url.User(role), Host: addr, Path: "/postgres", RawQuery: "sslmode=disable"}
	return u.String()
}

// Addr is where it listens, host:port.
func (p *Postgres) Addr() string { return address(p.server.port) }

// Exec runs statements as the superuser, each a transaction of its own.
func (p *Postgres) Exec(ctx context.Context, statements ...string) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// Kill ends the postmaster and all its children with SIGKILL, as a crash would;
// the data stays as it is on disk. Start brings it back.
func (p *Postgres) Kill() error { return p.server.child.kill() }

// Start starts it again after Kill, on the same port and data, and returns when
// recovery is over. Bounded by the context, or a minute if that has no deadline.
func (p *Postgres) Start(ctx context.Context) error { return p.server.start(ctx) }

// Stop ends all sessions, shuts down and removes the folder with the data. For
// good: there is no Start after it.
func (p *Postgres) Stop() error { return p.server.stop() }

func (p *Postgres) data() string { return p.server.folder.join("data") }

// initialise makes the cluster. It is not synced to disk here: what a drill
// kills is the server, not the machine.
func (p *Postgres) initialise(ctx context.Context) error {
	return p.program(ctx, "initdb", "--pgdata="+p.data(), "--username=facteur",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
}

// program runs one of PostgreSQL's programs in the server's folder, under its account.
func (p *Postgres) program(ctx context.Context, name string, arguments ...string) error {
	path, err := p.find(name)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, path, arguments...)
	cmd.Dir = p.server.folder.path
	runAs(cmd, p.account)
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", name, err, said)
	}
	return nil
}

// find looks for a program beside the server, else where Debian's packages put it.
func (p *Postgres) find(name string) (string, error) {
	found, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name)) // well formed
	slices.SortFunc(found, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	for _, path := range append([]string{filepath.Join(p.programs, name)}, found...) {
		if _, err := exec.LookPath(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s of PostgreSQL: %w", name, ErrMissing)
}

// arguments of the postmaster; of two settings with one name the last one holds.
func (p *Postgres) arguments() []string {
	arguments := []string{
		"-D", p.data(),
		"-p", strconv.Itoa(p.server.port),
		"-c", "listen_addresses=127.0.0.1",
		"-c", "unix_socket_directories=", // none at all
		"-c", "fsync=on",
		"-c", "synchronous_commit=on",
		"-c", "full_page_writes=on",
		"-c", fmt.Sprintf("max_connections=%d", cmp.Or(p.options.MaxConnections, 200)),
	}
	for name, value := range p.options.Settings {
		arguments = append(arguments, "-c", name+"="+value)
	}
	return arguments
}

func (p *Postgres) answers(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, p.URL())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	var data string
	if err := conn.QueryRow(ctx, "SHOW data_directory").Scan(&data); err != nil {
		return err
	}
	if data != p.data() {
		return fmt.Errorf("another PostgreSQL, with its data in %s, answers on port %d", data, p.server.port)
	}
	return nil
}

func runAs(cmd *exec.Cmd, account *syscall.Credential) {
	if account != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	}
}

// findPostgres is the folder with postgres and initdb in it: that on PATH, else
// the newest that Debian's packages have put in place, which is not on PATH.
func findPostgres() (string, error) {
	if path, err := exec.LookPath("postgres"); err == nil {
		candidate := filepath.Dir(path)
		if _, err := exec.LookPath(filepath.Join(candidate, "initdb")); err == nil {
			return candidate, nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // well formed
	if len(found) == 0 {
		return "", fmt.Errorf("PostgreSQL (postgres and initdb, on PATH or in /usr/lib/postgresql): %w", ErrMissing)
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return cmp.Compare(version(a), version(b)) })
	return filepath.Dir(newest), nil
}

// version is the number in /usr/lib/postgresql/15/bin/initdb, 0 if it is none.
func version(path string) float64 {
	number, _ := strconv.ParseFloat(filepath.Base(filepath.Dir(filepath.Dir(path))), 64)
	return number
}
