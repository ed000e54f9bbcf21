package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
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
	Basis  string    `query:"basis" required:"true" enum:"double_opt_in,opt_in,customer,contract,legitimate_interest_b2b" doc:"Why these people may be mailed."`
	Source string    `query:"source" required:"true" maxLength:"500" pattern:"^[^\\x00-\\x1f]*$" doc:"Where they said yes." example:"fair in Lyon"`
	At     time.Time `query:"at" required:"true" doc:"When they said yes."`

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
		StatedAt: at(i.StatedAt), CreatedAt: at(i.CreatedAt), FinishedAt: at(i.FinishedAt),
	}
	for n, p := range i.Problems {
		out.Problems[n] = Refused{p.Line, p.Column, p.Reason, p.Detail}
	}
	return out
}

// csv registers the upload.
func (c *calls) csv(api huma.API, op huma.Operation) {
	op.RequestBody = &huma.RequestBody{
		Required: true, Description: "The file, with a line of column names; at most 2 GiB. Any Content-Type.",
		Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	answered(c, http.StatusAccepted, c.importCSV)(api, op)
}

func (c *calls) importCSV(ctx context.Context, in *ImportOf) (*kept[Import], error) {
	yes := consent.Statement{Basis: consent.Basis(in.Basis), Source: in.Source, At: in.At}
	if err := stated(yes, "", c.DB.Now()); err != nil {
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
