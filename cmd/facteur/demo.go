package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"facteur/sending/sandbox"
	"facteur/web/client"
	"facteur/web/inbox"
)

type demoCmd struct {
	Exit   bool `help:"End after the run instead of staying up."`
	People int  `help:"How many made-up people to mail." default:"2000" placeholder:"N"`
}

func (demoCmd) Help() string {
	return "Example:\n  facteur demo --exit\n\nEverything is in this process and in a temporary folder: nothing leaves this machine, and nothing is left on it.\nThe exit code is 1 when the books do not balance, or when the sandbox took another number of mails than they say."
}

// The demo's usual places; others are taken when these are.
const (
	demoHTTP  = "127.0.0.1:8080"
	demoInbox = "127.0.0.1:2580"
)

// demoPace is how many mails a second each provider gets: slow enough to be watched.
const demoPace = 45

// Run sends a sample campaign to a sandbox and tells what happened.
func (d *demoCmd) Run(c *Config) error {
	if d.People < 1 || d.People > 100_000 {
		return fmt.Errorf("--people %d: want 1 to 100000", d.People)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	stage, err := newDemo(ctx, *c)
	if err != nil {
		return err
	}
	defer stage.close()
	err = stage.play(ctx, d.People)
	if ctx.Err() != nil {
		fmt.Println("\ninterrupted; nothing is left behind")
		return nil
	}
	if err != nil || d.Exit {
		return err
	}
	fmt.Println("\nIt stays up until you press Ctrl-C.")
	<-ctx.Done()
	fmt.Println("\nstopping; nothing is left behind")
	return nil
}

// demo is the whole engine beside a sandbox.
type demo struct {
	app   *App
	api   *client.Client
	box   *sandbox.Server
	inbox string // URL
	ends  []func()
}

func (d *demo) close() {
	for i := len(d.ends) - 1; i >= 0; i-- {
		d.ends[i]()
	}
}

func newDemo(ctx context.Context, c Config) (d *demo, err error) {
	d = &demo{}
	defer func() {
		if err != nil {
			d.close()
		}
	}()
	dir, err := os.MkdirTemp("", "facteur-demo-")
	if err != nil {
		return nil, err
	}
	d.ends = append(d.ends, func() { _ = os.RemoveAll(dir) })
	if d.box, err = sandbox.Start(sandbox.Options{Keep: 5000, Latency: 15 * time.Millisecond}); err != nil {
		return nil, err
	}
	d.ends = append(d.ends, func() { _ = d.box.Close() })
	if err := d.openInbox(ctx); err != nil {
		return nil, err
	}
	at, err := freeAddr(ctx, demoHTTP)
	if err != nil {
		return nil, err
	}
	c.DataDir, c.DatabaseURL, c.RedisURL, c.SecretKey = dir, "sqlite:"+filepath.Join(dir, "facteur.db"), "", ""
	c.HTTPAddr, c.PublicURL, c.AdminToken, c.LogLevel, c.RecipientRate = at, "http://"+at, rand.Text(), "error", 0
	if d.app, err = Start(ctx, c, allRoles, NewLog(c, os.Stderr)); err != nil {
		return nil, err
	}
	d.ends = append(d.ends, d.app.Stop)
	d.api = &client.Client{Base: c.PublicURL, Token: c.AdminToken}
	return d, nil
}

func (d *demo) openInbox(ctx context.Context) error {
	at, err := freeAddr(ctx, demoInbox)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: inbox.New(inbox.Options{Box: d.box, Note: "This is the demo's sandbox.", Report: d.complain}), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(listener) }()
	d.ends = append(d.ends, func() { _ = server.Close() })
	d.inbox = "http://" + listener.Addr().String()
	return nil
}

// complain hands the report of the inbox's button to facteur, as a provider's
// feedback loop would by mail.
func (d *demo) complain(ctx context.Context, report []byte) error {
	if d.api == nil {
		return errors.New("it is not up yet")
	}
	return d.api.Upload(ctx, http.MethodPost, "/feedback/messages", "message/rfc822", bytes.NewReader(report), nil)
}

// freeAddr is the address if nobody listens there, or a free one on loopback.
func freeAddr(ctx context.Context, addr string) (string, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		if l, err = (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", err
		}
	}
	return l.Addr().String(), l.Close()
}

// play is the run: people, a campaign, those who leave meanwhile, the report.
func (d *demo) play(ctx context.Context, people int) error {
	fmt.Printf("facteur demo: the whole engine and a sandbox that plays mailbox providers, in this process.\nThe sandbox only plays: real providers were not tried.\n\n")
	s, err := d.setUp(ctx)
	if err != nil {
		return err
	}
	im, err := d.bring(ctx, s.list, people)
	if err != nil {
		return err
	}
	fmt.Printf("  %d people came to the list “Letters from the bakery”, with the consent that they gave in the shop.\n", im.Created)
	id, err := d.launch(ctx, s)
	if err != nil {
		return err
	}
	fmt.Printf("  The campaign “November bread” is launched, at %d mails a second to each provider. Watch it arrive: %s\n\n", demoPace, d.inbox)
	watched, enough := context.WithCancel(ctx)
	defer enough()
	var leavers leavers
	var done sync.WaitGroup
	done.Go(func() { leavers.press(watched, d) })
	end, err := d.follow(ctx, id)
	enough()
	done.Wait()
	if err != nil {
		return err
	}
	return d.report(ctx, s, end, leavers.left)
}

// follow watches the campaign until all that can be tried now has been.
func (d *demo) follow(ctx context.Context, id string) (last client.Campaign, err error) {
	b := newBar(os.Stdout)
	tried := errors.New("all were tried")
	err = d.api.Follow(ctx, id, func(c client.Campaign) error {
		last = c
		if c.Planned && c.Counts.Queued+c.Counts.Sending == 0 {
			b.draw(c, true)
			return tried
		}
		b.draw(c, false)
		return nil
	})
	if errors.Is(err, tried) {
		err = nil
	}
	return last, err
}

// demoSetup is what the campaign is made of.
type demoSetup struct{ list, sender string }

// post makes something and returns its id.
func (d *demo) post(ctx context.Context, path string, body any) (string, error) {
	var made struct{ ID string }
	err := d.api.Call(ctx, http.MethodPost, path, body, &made)
	return made.ID, err
}

func (d *demo) setUp(ctx context.Context) (s demoSetup, err error) {
	host, port, err := net.SplitHostPort(d.box.Addr())
	if err != nil {
		return s, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return s, err
	}
	if s.list, err = d.post(ctx, "/lists", map[string]any{"name": "Letters from the bakery"}); err != nil {
		return s, err
	}
	relay, err := d.post(ctx, "/relays", map[string]any{"name": "sandbox", "host": host, "port": number, "security": "none", "max_connections": 20})
	if err != nil {
		return s, err
	}
	if _, err = d.post(ctx, "/domains", map[string]any{"name": "news.belleville.example", "warmup": "none", "dkim": false}); err != nil {
		return s, err
	}
	if err := d.api.Call(ctx, http.MethodPut, "/throttles/default", map[string]any{"per_second": demoPace}, nil); err != nil {
		return s, err
	}
	s.sender, err = d.post(ctx, "/senders", map[string]any{
		"from_email": "bonjour@news.belleville.example", "from_name": "Maison Belleville", "postal_address": "12 rue du Four, 69001 Lyon", "relay_ids": []string{relay},
	})
	return s, err
}

// bring imports the people and waits until they are there.
func (d *demo) bring(ctx context.Context, list string, people int) (im client.Import, err error) {
	q := url.Values{"basis": {"opt_in"}, "source": {"card in the shop"}, "at": {time.Now().AddDate(0, -2, 0).UTC().Format(time.RFC3339)}}
	err = d.api.Upload(ctx, http.MethodPost, "/lists/"+list+"/imports?"+q.Encode(), "text/csv", strings.NewReader(demoPeople(people)), &im)
	for err == nil && im.Status != "done" {
		if im.Status == "failed" {
			return im, fmt.Errorf("the import failed: %s", im.Error)
		}
		select {
		case <-ctx.Done():
			return im, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
		im, err = d.api.Import(ctx, im.ID)
	}
	return im, err
}

func (d *demo) launch(ctx context.Context, s demoSetup) (string, error) {
	id, err := d.post(ctx, "/campaigns", map[string]any{
		"name": "November bread", "subject": `{% if locale == "fr" %}{{ attributes.first }}, le pain de novembre est là{% else %}{{ attributes.first }}, the November bread is here{% endif %}`,
		"html": demoText("letter.html"), "text": demoText("letter.txt"), "list_ids": []string{s.list}, "sender_id": s.sender,
	})
	if err != nil {
		return "", err
	}
	return id, d.api.Launch(ctx, id)
}

// leavers are the people who press Leave in their mail program.
type leavers struct {
	seen int64
	left []leaver
}

type leaver struct {
	email string
	after time.Duration // from the mail's arrival
}

// oneLeaverIn is how many mails arrive for one person who leaves.
const oneLeaverIn = 100

// press looks at what arrives and lets one in a hundred leave, until ctx ends.
func (l *leavers) press(ctx context.Context, d *demo) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(200 * time.Millisecond):
		}
		for _, m := range d.box.Messages() {
			if m.Number <= l.seen {
				continue
			}
			l.seen = m.Number
			if m.Number%oneLeaverIn != oneLeaverIn/2 {
				continue
			}
			if err := d.pressLeave(context.WithoutCancel(ctx), m.Number); err == nil { // who presses is heard
				l.left = append(l.left, leaver{m.To[0], time.Since(time.UnixMilli(m.At))})
			}
		}
	}
}

// pressLeave is the button in the sandbox's inbox.
func (d *demo) pressLeave(ctx context.Context, number int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, fmt.Sprintf("%s/mail/%d/leave", d.inbox, number), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return res.Body.Close()
}
