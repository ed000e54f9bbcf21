package services

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// PostfixOptions says what a Postfix for tests shall be like.
type PostfixOptions struct {
	// Dir is where its folder is made; empty: the system's temporary folder.
	Dir string
	// Ports are the doors it opens, each with main.cf settings of its own.
	Ports []map[string]string
	// Settings of main.cf on top of ours, for all ports.
	Settings map[string]string
	// Users who may log in, with their passwords; a Dovecot knows them.
	Users map[string]string
	// IMAP lets the users read the mailbox of all addresses, see [Postfix.IMAP].
	IMAP bool
}

// Postfix is a real Postfix that listens on loopback only, delivers every
// address that does not begin with "unknown" to a mailbox in its own folder,
// and sends nothing on, but where Settings route it. It needs root. Its methods are for one goroutine at a
// time.
type Postfix struct {
	server  *server
	options PostfixOptions
	ports   []int
	imap    int
	dovecot *process
}

// ErrNotRoot says that a server cannot be started by anybody but root.
var ErrNotRoot = errors.New("needs root")

// mailOwner owns the mailboxes; no account has that number on Debian.
const mailOwner = 5995

// StartPostfix starts a new one with empty mailboxes. The context bounds the
// start (a minute if it has no deadline). Wraps [ErrMissing] if Postfix, or
// the Dovecot that Users ask for, is not installed, and [ErrNotRoot].
func StartPostfix(ctx context.Context, options PostfixOptions) (*Postfix, error) {
	if _, err := FindPostfix(); err != nil {
		return nil, err
	}
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("Postfix: %w", ErrNotRoot)
	}
	folder, err := newFolder(options.Dir, "postfix")
	if err != nil {
		return nil, err
	}
	p := &Postfix{options: options}
	p.server = &server{title: "Postfix", folder: folder, quit: syscall.SIGTERM, death: syscall.SIGTERM, answers: p.answers}
	// postfix start-fg would put it into a session of its own, out of our reach.
	p.server.command = func() *exec.Cmd { return exec.Command("/usr/lib/postfix/sbin/master", "-c", folder.path, "-d") }
	if err := p.start(ctx); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

// FindPostfix is the path of postfix; wraps [ErrMissing] if it is not installed.
func FindPostfix() (string, error) { return findAdmin("Postfix", "postfix") }

// FindDovecot is the path of dovecot; wraps [ErrMissing] if it, or its IMAP
// part, is not installed.
func FindDovecot() (string, error) {
	if _, err := os.Stat("/usr/lib/dovecot/imap"); err != nil {
		return "", fmt.Errorf("the IMAP server of Dovecot (%w): %w", err, ErrMissing)
	}
	return findAdmin("Dovecot", "dovecot")
}

// findAdmin looks where an administrator's programs are, too.
func findAdmin(title, name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		path, err = exec.LookPath("/usr/sbin/" + name)
	}
	if err != nil {
		return "", fmt.Errorf("%s (%s, on PATH): %w", title, name, ErrMissing)
	}
	return path, nil
}

func (p *Postfix) start(ctx context.Context) error {
	folder := p.server.folder.path
	if err := os.Chmod(folder, 0o755); err != nil { // its processes run as others
		return err
	}
	for _, dir := range []string{"queue", "data", "mail"} {
		if err := os.MkdirAll(filepath.Join(folder, dir), 0o755); err != nil {
			return err
		}
	}
	if err := os.Chown(filepath.Join(folder, "mail"), mailOwner, mailOwner); err != nil {
		return err
	}
	if len(p.options.Users) > 0 {
		if err := p.startDovecot(); err != nil {
			return err
		}
	}
	for range max(1, len(p.options.Ports)) {
		port, err := freePort()
		if err != nil {
			return err
		}
		p.ports = append(p.ports, port)
	}
	p.server.port = p.ports[0]
	for name, text := range map[string]string{"main.cf": p.mainCF(), "master.cf": p.masterCF(), "mailboxes": mailboxes} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	if out, err := exec.CommandContext(ctx, "chown", "postfix", filepath.Join(folder, "data")).CombinedOutput(); err != nil {
		return fmt.Errorf("give Postfix its folder: %w\n%s", err, out)
	}
	if out, err := exec.CommandContext(ctx, "postfix", "-c", folder, "check").CombinedOutput(); err != nil { // makes its queues
		return fmt.Errorf("check Postfix: %w\n%s", err, out)
	}
	return p.server.start(ctx)
}

// mailboxes gives all addresses one Maildir, but for the unknown: virtual(8)
// lets no table make up names.
const mailboxes = "if !/^unknown/\n/./ all/\nendif\n"

func (p *Postfix) mainCF() string {
	folder := p.server.folder.path
	settings := map[string]string{
		"compatibility_level": "3.6", "queue_directory": folder + "/queue", "data_directory": folder + "/data", "mail_owner": "postfix", "setgid_group": "postdrop",
		"inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "myhostname": p.name(), "mydestination": "", "mynetworks": "", "alias_maps": "", "local_recipient_maps": "",
		"maillog_file": folder + "/log.mail", "maillog_file_prefixes": folder, "biff": "no",
		// Nothing is sent on.
		"default_transport": "error:5.1.2 this test server sends nothing on", "relay_transport": "error:5.1.2 this test server sends nothing on", "relay_domains": "",
		"virtual_mailbox_domains": "static:all", "virtual_mailbox_base": folder + "/mail", "virtual_mailbox_maps": "regexp:" + folder + "/mailboxes",
		"virtual_uid_maps": "static:" + strconv.Itoa(mailOwner), "virtual_gid_maps": "static:" + strconv.Itoa(mailOwner),
		"smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination", "smtpd_recipient_restrictions": "reject_unlisted_recipient",
		"smtpd_sasl_type": "dovecot", "smtpd_sasl_path": folder + "/auth", "smtpd_client_event_limit_exceptions": "", "smtpd_tls_loglevel": "0",
		"soft_bounce": "no", "bounce_queue_lifetime": "0", "maximal_queue_lifetime": "0",
	}
	maps.Copy(settings, p.options.Settings)
	return lines(settings, "%s = %s\n")
}

// name tells this Postfix from any other.
func (p *Postfix) name() string {
	return strings.ToLower(strings.TrimPrefix(filepath.Base(p.server.folder.path), "facteur-")) + ".test"
}

func (p *Postfix) masterCF() string {
	var b strings.Builder
	for i, port := range p.ports {
		fmt.Fprintf(&b, "127.0.0.1:%d inet n - n - - smtpd\n", port)
		if i < len(p.options.Ports) {
			for _, name := range slices.Sorted(maps.Keys(p.options.Ports[i])) {
				fmt.Fprintf(&b, "  -o { %s = %s }\n", name, p.options.Ports[i][name])
			}
		}
	}
	b.WriteString(`pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
smtp unix - - n - - smtp
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`)
	return b.String()
}

// lines writes settings in the order of their names.
func lines(settings map[string]string, format string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, format, name, settings[name])
	}
	return b.String()
}

// startDovecot answers for the users, on a socket in the folder.
func (p *Postfix) startDovecot() error {
	program, err := FindDovecot()
	if err != nil {
		return err
	}
	folder := p.server.folder.path
	users := lines(p.options.Users, "%s:{PLAIN}%s\n")
	protocols, login := "", ""
	if p.options.IMAP {
		if p.imap, err = freePort(); err != nil {
			return err
		}
		protocols, login = "imap", fmt.Sprintf(imapServer, p.imap)
	}
	config := fmt.Sprintf(`protocols = %[3]s
base_dir = %[1]s/dovecot
state_dir = %[1]s/dovecot-state
log_path = %[1]s/dovecot.log
ssl = no
auth_mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
disable_plaintext_auth = no
passdb {
  driver = passwd-file
  args = username_format=%%u %[1]s/users
}
userdb {
  driver = static
  args = uid=%[2]d gid=%[2]d home=%[1]s/mail/all
}
mail_location = maildir:%[1]s/mail/all
first_valid_uid = 1
%[4]s
service auth {
  unix_listener %[1]s/auth {
    mode = 0666
  }
}
`, folder, mailOwner, protocols, login)
	for name, text := range map[string]string{"users": users, "dovecot.conf": config} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command(program, "-F", "-c", filepath.Join(folder, "dovecot.conf"))
	cmd.Dir = folder
	if p.dovecot, err = launch(cmd, syscall.SIGTERM); err != nil {
		return fmt.Errorf("start Dovecot: %w", err)
	}
	if !until(func() bool { _, err := os.Stat(filepath.Join(folder, "auth")); return err == nil || !p.dovecot.alive() }, startPatience) || !p.dovecot.alive() {
		text, _ := os.ReadFile(filepath.Join(folder, "dovecot.log"))
		return fmt.Errorf("start Dovecot: it did not answer; its log ends:\n%s", text)
	}
	return nil
}

// imapServer listens on a port of loopback.
const imapServer = `service imap-login {
  inet_listener imap {
    address = 127.0.0.1
    port = %d
  }
  inet_listener imaps {
    port = 0
  }
}`

// IMAP is the address of its mailbox for a user, as imap://user:password@host/INBOX.
func (p *Postfix) IMAP(user string) string {
	return "imap://" + url.UserPassword(user, p.options.Users[user]).String() + "@" + address(p.imap) + "/INBOX"
}

// answers knocks at all ports: each must greet, by TLS or not, as ours does.
func (p *Postfix) answers(ctx context.Context) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address(p.ports[0]))
	if err != nil {
		return err
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.Contains(line, p.name()) {
		return fmt.Errorf("something else answers on port %d: %s", p.ports[0], line)
	}
	return nil
}

// URL is its first port; [Postfix.Port] has the others.
func (p *Postfix) URL() string { return "smtp://" + address(p.ports[0]) }

// Port is the port of the ith of its doors.
func (p *Postfix) Port(i int) int { return p.ports[i] }

// Mailbox is the raw mails that have arrived at an address, in no order.
func (p *Postfix) Mailbox(addr string) ([]string, error) {
	var mails []string
	for _, file := range p.arrived() {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if strings.Contains(string(text), "\nDelivered-To: "+addr+"\n") {
			mails = append(mails, string(text))
		}
	}
	return mails, nil
}

// Maildir is where the mails of all addresses are, in new and cur.
func (p *Postfix) Maildir() string { return filepath.Join(p.server.folder.path, "mail", "all") }

// Arrived counts the mails of all addresses.
func (p *Postfix) Arrived() int { return len(p.arrived()) }

func (p *Postfix) arrived() []string {
	files, _ := filepath.Glob(filepath.Join(p.server.folder.path, "mail", "all", "new", "*")) // well formed
	return files
}

// Log is what it has written to its log.
func (p *Postfix) Log() string {
	text, err := os.ReadFile(p.server.folder.join("log.mail"))
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Stop ends it and removes its folder. For good: there is no Start after it.
func (p *Postfix) Stop() error {
	err := p.server.stop()
	if p.dovecot.alive() {
		err = errors.Join(err, p.dovecot.signal(syscall.SIGTERM))
		if !until(func() bool { return !p.dovecot.alive() }, stopPatience) {
			err = errors.Join(err, p.dovecot.kill())
		}
		err = errors.Join(err, os.RemoveAll(p.server.folder.path))
	}
	return err
}
