package api

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"facteur/subscribers"
	"facteur/subscribers/consent"

	"github.com/danielgtaylor/huma/v2"
)

const (
	maxImport = 2 << 30
	// importPause is the longest silence within an upload.
	importPause = time.Minute
)

// ImportOf is the query of an import: the consent of everybody in the file.
type ImportOf struct {
	ByID
	Basis   string    `query:"basis" enum:"double_opt_in,opt_in,customer,contract,legitimate_interest_b2b" doc:"Why these people may be mailed. Needed, unless they are asked."`
	Source  string    `query:"source" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$" doc:"Where they said yes." example:"fair in Lyon"`
	At      time.Time `query:"at" doc:"When they said yes. Needed with a basis."`
	Wording string    `query:"wording" maxLength:"2000" doc:"The words they agreed to, where known."`
	Confirm bool      `query:"confirm" doc:"There is no basis: each is asked once for their yes, in their turn, and is pending until then."`
	DryRun  bool      `query:"dry_run" doc:"Only count; nobody is brought to the list."`
	Columns []string  `query:"column,explode" maxItems:"100" doc:"What a column of the file means, as NAME:email, name, first_name, last_name, locale, timezone, the name of an attribute, or - for nothing. May be given several times." example:"Adresse:email"`

	extend func() // the time to send the next piece of the body
}

// Resolve implements [huma.Resolver].
func (i *ImportOf) Resolve(ctx huma.Context) []error {
	i.extend = func() { _ = ctx.SetReadDeadline(time.Now().Add(importPause)) }
	return nil
}

// Import is a file of people on its way to a list.
type Import struct {
	ID         ID         `json:"id"`
	ListID     ID         `json:"list_id"`
	Status     string     `json:"status" enum:"running,done,failed"`
	Error      string     `json:"error" doc:"Why it failed."`
	Rows       int64      `json:"rows" doc:"Read so far: created + updated + refused."`
	Created    int64      `json:"created" doc:"People not known before."`
	Updated    int64      `json:"updated" doc:"People known before, or met twice in the file."`
	Refused    int64      `json:"refused"`
	Problems   []Refused  `json:"problems" doc:"The first refused rows, at most 50."`
	Basis      string     `json:"basis"`
	Source     string     `json:"source"`
	Confirm    bool       `json:"confirm" doc:"The people are asked for their yes."`
	DryRun     bool       `json:"dry_run" doc:"Nobody was brought; the counts say who would be."`
	StatedAt   *time.Time `json:"stated_at"`
	CreatedAt  *time.Time `json:"created_at"`
	FinishedAt *time.Time `json:"finished_at"`
}

// Refused is a row that was not taken.
type Refused struct {
	Line   int    `json:"line"`
	Column string `json:"column,omitempty"`
	Reason string `json:"reason" doc:"Stable, for programs."`
	Detail string `json:"detail"`
}

func importOf(i subscribers.Import) Import {
	out := Import{
		ID: idOf(i.ID), ListID: idOf(i.ListID), Status: string(i.Status), Error: i.Error, Rows: i.Rows, Created: i.Created, Updated: i.Updated,
		Refused: i.Refused, Problems: make([]Refused, len(i.Problems)), Basis: i.Basis, Source: i.Source,
		Confirm: i.Confirm, DryRun: i.DryRun, StatedAt: at(i.StatedAt), CreatedAt: at(i.CreatedAt), FinishedAt: at(i.FinishedAt),
	}
	for n, p := range i.Problems {
		out.Problems[n] = Refused{p.Line, p.Column, p.Reason, p.Detail}
	}
	return out
}

// csv registers the upload.
func (c *calls) csv(api huma.API, op huma.Operation) {
	op.RequestBody = &huma.RequestBody{
		Required: true, Description: "CSV with a line of column names, or JSON Lines with an object for each person; at most 2 GiB. Any Content-Type.",
		Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	answered(c, http.StatusAccepted, c.importCSV)(api, op)
}

func (c *calls) importCSV(ctx context.Context, in *ImportOf) (*kept[Import], error) {
	yes, err := in.terms(c.DB.Now())
	if err != nil {
		return nil, err
	}
	body := &upload{body: askedBy(ctx).body, sum: sha256.New(), extend: in.extend}
	return claimed(ctx, c, http.StatusAccepted, body.hash, func() (Import, error) {
		i, err := c.Importer.Accept(ctx, in.id(), yes, body, maxImport)
		if err != nil && body.err != nil {
			err = problem(http.StatusBadRequest, "incomplete", "the body did not arrive whole; nothing was imported").with("Connection", "close")
		}
		return importOf(i), err
	})
}

// terms are how the file is to be taken.
func (i *ImportOf) terms(now time.Time) (subscribers.ImportTerms, error) {
	t := subscribers.ImportTerms{
		Statement: consent.Statement{Basis: consent.Basis(i.Basis), Source: i.Source, At: i.At, Wording: i.Wording}, Confirm: i.Confirm, DryRun: i.DryRun,
	}
	for _, text := range i.Columns {
		at := strings.LastIndexByte(text, ':')
		if at < 1 {
			return t, invalid("column", fmt.Sprintf("%q: want the column's name, a colon and what it means, such as Adresse:email", text))
		}
		if t.Columns == nil {
			t.Columns = map[string]string{}
		}
		t.Columns[text[:at]] = text[at+1:]
	}
	if t.Confirm {
		return t, nil
	}
	return t, stated(t.Statement, "", now)
}

// refusals is the file of an import's refused rows, with what was wrong.
func (c *calls) refusals(ctx context.Context, in *ByID) (file, error) {
	i, err := c.People.Import(ctx, in.id())
	if err != nil {
		return file{}, err
	}
	kind, name := "text/csv; charset=utf-8", "refused.csv"
	if i.Columns == nil {
		kind, name = "application/x-ndjson", "refused.jsonl"
	}
	return file{kind, name, func(w io.Writer) error {
		out := csv.NewWriter(w)
		if i.Columns != nil {
			if err := out.Write(append([]string{"refused_line", "refused_column", "refused_reason", "refused_detail"}, i.Columns...)); err != nil {
				return err
			}
		}
		for after := int64(-1); ; {
			page, err := c.People.Refusals(ctx, in.id(), after, 1000)
			if err != nil {
				return err
			}
			for _, r := range page {
				after = r.Line
				if i.Columns == nil {
					err = refusedObject(w, r)
				} else {
					var fields []string
					if err = json.Unmarshal([]byte(r.Content), &fields); err == nil {
						err = out.Write(append([]string{strconv.FormatInt(r.Line, 10), r.Column, r.Reason, r.Detail}, fields...))
					}
				}
				if err != nil {
					return err
				}
			}
			if len(page) == 0 {
				out.Flush()
				return out.Error()
			}
		}
	}}, nil
}

// refusedObject writes a refused line of JSON Lines with what was wrong.
func refusedObject(w io.Writer, r subscribers.RefusedRow) error {
	line := map[string]any{"refused_line": r.Line, "refused_column": r.Column, "refused_reason": r.Reason, "refused_detail": r.Detail}
	row := map[string]json.RawMessage{}
	if json.Unmarshal([]byte(r.Content), &row) == nil {
		for k, v := range row {
			line[k] = v
		}
	}
	text, err := json.Marshal(line)
	if err == nil {
		_, err = w.Write(append(text, '\n'))
	}
	return err
}

// upload is a body that comes in for as long as it does come, hashed as it passes.
type upload struct {
	body   io.Reader
	sum    hash.Hash
	extend func()
	err    error // why it broke off
}

func (u *upload) Read(p []byte) (int, error) {
	u.extend()
	n, err := u.body.Read(p)
	u.sum.Write(p[:n])
	if err != nil && err != io.EOF {
		u.err = err
	}
	return n, err
}

// hash is the body's, read to its end.
func (u *upload) hash() (string, error) {
	if _, err := io.Copy(io.Discard, io.LimitReader(u, maxImport+1)); err != nil {
		return "", problem(http.StatusBadRequest, "incomplete", "the body did not arrive whole").with("Connection", "close")
	}
	return hex.EncodeToString(u.sum.Sum(nil)), nil
}

func (c *calls) importStatus(ctx context.Context, in *ByID) (Import, error) {
	i, err := c.People.Import(ctx, in.id())
	return importOf(i), err
}
