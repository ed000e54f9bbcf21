package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"time"

	"facteur/web/client"
)

type importCmd struct {
	server
	File     string   `arg:"" help:"CSV file with a line of column names, or JSON Lines; - is standard input." placeholder:"FILE"`
	List     string   `help:"Id of the list." xor:"list" required:"" placeholder:"ID"`
	ListName string   `help:"Name of the list, instead of its id." xor:"list" required:"" placeholder:"NAME"`
	Basis    string   `help:"Why these people may be mailed: double_opt_in, opt_in, customer, contract or legitimate_interest_b2b." enum:"double_opt_in,opt_in,customer,contract,legitimate_interest_b2b," default:"" placeholder:"BASIS"`
	Confirm  bool     `help:"There is no basis: each is asked once for their yes, in their turn."`
	Source   string   `help:"Where they said yes, or where the addresses come from." required:"" placeholder:"TEXT"`
	At       string   `help:"When they said yes: 2026-01-31, or 2026-01-31T10:00:00Z." placeholder:"TIME"`
	DryRun   bool     `help:"Only count; nobody is brought to the list."`
	Column   []string `help:"What a column means, such as Adresse:email, Ville:city or Notes:- for nothing; may be given several times." sep:"none" placeholder:"NAME:MEANING"`
}

func (importCmd) Help() string {
	return "Example:\n  facteur import people.csv --list-name Newsletter --basis opt_in --source 'fair in Lyon' --at 2026-01-31\n\n" +
		"The token needs the scopes subscribers:read and subscribers:write, and lists:read. It may be run twice: who is in already is updated, and nobody who left or is suppressed comes back."
}

// Run uploads the file and follows the import to its end.
func (i *importCmd) Run(c *Config) error {
	if i.Basis != "" && i.Confirm {
		return errors.New("--confirm asks for what --basis says is there: give one of both")
	}
	if i.Basis == "" && !i.Confirm {
		return errors.New("--basis is missing: say why these people may be mailed, or give --confirm to have each asked for their yes")
	}
	var at time.Time
	var err error
	if !i.Confirm {
		if at, err = moment(i.At); err != nil {
			return err
		}
	}
	file := os.Stdin
	if i.File != "-" {
		if file, err = os.Open(i.File); err != nil {
			return err
		}
		defer func() { _ = file.Close() }() // it was only read
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	api := i.client(c)
	if i.List, err = i.find(ctx, api); err != nil {
		return explain(api, err)
	}
	line := newLine(os.Stderr)
	started, err := i.upload(ctx, api, file, at, line)
	if err != nil {
		line.end()
		return explain(api, err)
	}
	done, err := follow(ctx, api, started, line)
	line.end()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("the file has arrived, and import %s goes on without us", started.ID)
	}
	if err != nil {
		return fmt.Errorf("the file has arrived, and import %s goes on when the server can: %w", started.ID, explain(api, err))
	}
	return conclude(os.Stdout, done)
}

// moment reads a time, or a day, which begins at 0:00 UTC.
func moment(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q: want a day such as 2026-01-31, or a time such as 2026-01-31T10:00:00Z", text)
}

// find is the list's id: as given, if there is such a list, or by its name.
func (i *importCmd) find(ctx context.Context, api *client.Client) (string, error) {
	if i.List != "" {
		return i.List, api.Call(ctx, http.MethodGet, "/lists/"+url.PathEscape(i.List), nil, nil)
	}
	var found []string
	for cursor := ""; ; {
		var page struct {
			Items []struct{ ID, Name string } `json:"items"`
			Next  *string                     `json:"next"`
		}
		if err := api.Call(ctx, http.MethodGet, "/lists?limit=500&cursor="+url.QueryEscape(cursor), nil, &page); err != nil {
			return "", err
		}
		for _, l := range page.Items {
			if l.Name == i.ListName {
				found = append(found, l.ID)
			}
		}
		if page.Next == nil {
			break
		}
		cursor = *page.Next
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("no list is called %q", i.ListName)
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%d lists are called %q: say which by --list, one of %s", len(found), i.ListName, strings.Join(found, ", "))
}

func (i *importCmd) upload(ctx context.Context, api *client.Client, file io.Reader, at time.Time, line *statusLine) (started client.Import, err error) {
	query := url.Values{"source": {i.Source}, "column": i.Column}
	if i.Confirm {
		query.Set("confirm", "true")
	} else {
		query.Set("basis", i.Basis)
		query.Set("at", at.Format(time.RFC3339))
	}
	if i.DryRun {
		query.Set("dry_run", "true")
	}
	body := &counted{Reader: file}
	sent, shown := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(shown)
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-sent:
				return
			case <-tick.C:
				line.say("uploading: %.1f MB", float64(body.n.Load())/1e6)
			}
		}
	}()
	err = api.Upload(ctx, http.MethodPost, "/lists/"+i.List+"/imports?"+query.Encode(), "text/csv", body, &started)
	close(sent)
	<-shown
	return started, err
}

// counted counts what is read of it.
type counted struct {
	io.Reader
	n atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

const followEvery = 200 * time.Millisecond

// follow shows how far the import is until it is over.
func follow(ctx context.Context, api *client.Client, now client.Import, line *statusLine) (client.Import, error) {
	begun := time.Now()
	for now.Status == "running" {
		select {
		case <-ctx.Done():
			return now, ctx.Err()
		case <-time.After(followEvery):
		}
		var err error
		if now, err = api.Import(ctx, now.ID); err != nil {
			return now, err
		}
		line.say("importing: %d rows, %.0f/s", now.Rows, float64(now.Rows)/time.Since(begun).Seconds())
	}
	return now, nil
}

// conclude says what became of the rows; an error when the import failed.
func conclude(to io.Writer, done client.Import) error {
	what := "import"
	if done.DryRun {
		what = "dry run"
	}
	_, _ = fmt.Fprintf(to, "%s %s %s: %d rows: %d created, %d updated, %d refused\n", what, done.ID, done.Status, done.Rows, done.Created, done.Updated, done.Refused)
	for _, p := range done.Problems {
		column := ""
		if p.Column != "" {
			column = ", column " + p.Column
		}
		_, _ = fmt.Fprintf(to, "  line %d%s: %s (%s)\n", p.Line, column, p.Detail, p.Reason)
	}
	if more := done.Refused - int64(len(done.Problems)); more > 0 {
		_, _ = fmt.Fprintf(to, "  and %d more: all are in GET /imports/%s/refused, to be mended and imported again\n", more, done.ID)
	}
	if done.Status == "failed" {
		return fmt.Errorf("the import failed: %s", done.Error)
	}
	return nil
}

// statusLine is one line of a terminal that is written over and over. What is
// no terminal gets nothing.
type statusLine struct {
	to    io.Writer
	width int
}

func newLine(f *os.File) *statusLine {
	if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		return &statusLine{to: f}
	}
	return &statusLine{to: io.Discard}
}

func (l *statusLine) say(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	_, _ = fmt.Fprintf(l.to, "\r%-*s", l.width, text)
	l.width = len(text)
}

// end leaves the line empty.
func (l *statusLine) end() { _, _ = fmt.Fprintf(l.to, "\r%-*s\r", l.width, "") }
