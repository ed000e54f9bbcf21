package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"facteur/internal/database"
	"facteur/subscribers"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// file is an answer of a kind of its own, written piece by piece.
type file struct {
	kind  string // Content-Type
	name  string // under which it is kept; "": shown
	write func(io.Writer) error
}

// whole is a file that is there already.
func whole(kind, name string, text []byte, err error) (file, error) {
	return file{kind, name, func(w io.Writer) error { _, err := w.Write(text); return err }}, err
}

// filed registers a call that answers with a file. An error of the handler is
// a problem; one while the file is written breaks the answer off, so that
// nobody takes a part for the whole.
func filed[I any](c *calls, about, kind string, handler func(context.Context, *I) (file, error)) func(huma.API, huma.Operation) {
	return func(api huma.API, op huma.Operation) {
		op.Responses["200"] = &huma.Response{Description: about, Content: map[string]*huma.MediaType{kind: {Schema: &huma.Schema{Type: huma.TypeString}}}}
		huma.Register(api, op, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
			f, err := handler(ctx, in)
			if err != nil {
				return nil, c.explain(ctx, err)
			}
			return &huma.StreamResponse{Body: func(h huma.Context) {
				r, w := humago.Unwrap(h)
				w.Header().Set("Content-Type", f.kind)
				w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
				if f.name != "" {
					w.Header().Set("Content-Disposition", `attachment; filename="`+f.name+`"`)
				}
				if r.Method == http.MethodHead {
					return
				}
				if err := f.write(w); err != nil {
					c.Log.ErrorContext(ctx, "a file broke off", "error", err)
					panic(http.ErrAbortHandler)
				}
			}}, nil
		})
	}
}

func (c *calls) dossier(ctx context.Context, in *struct {
	ByID
	Format string `query:"format" enum:"json,html" default:"json"`
	Lang   string `query:"lang" enum:"en,fr" default:"en"`
},
) (file, error) {
	d, err := c.Campaigns.Dossier(ctx, in.id())
	if err != nil {
		return file{}, err
	}
	if in.Format == "html" {
		text, err := d.HTML(in.Lang)
		return whole("text/html; charset=utf-8", "", text, err)
	}
	text, err := json.MarshalIndent(d, "", "  ")
	return whole("application/json", "", text, err)
}

// Erasure says that nothing is held on a person any more.
type Erasure struct {
	ID     ID   `json:"id"`
	Erased bool `json:"erased"`
}

func (c *calls) erase(ctx context.Context, in *ByID) (Erasure, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.Campaigns.Erase(ctx, tx, in.id(), "the operator, by API") })
	return Erasure{idOf(in.id()), err == nil}, err
}

func (c *calls) retention(ctx context.Context, _ *struct{}) (subscribers.Retention, error) {
	return c.People.Retention(ctx)
}

func (c *calls) setRetention(ctx context.Context, in *struct{ Body subscribers.Retention }) (subscribers.Retention, error) {
	err := c.DB.Write(ctx, func(tx *database.Tx) error { return c.People.SetRetention(ctx, tx, in.Body) })
	return in.Body, err
}

// RetentionRun is what one day's round removed.
type RetentionRun struct {
	StartedAt *time.Time       `json:"started_at"`
	EndedAt   *time.Time       `json:"ended_at"`
	Removed   map[string]int64 `json:"removed" doc:"How much of what."`
}

// RetentionRuns are the latest rounds.
type RetentionRuns struct {
	Items []RetentionRun `json:"items" doc:"Newest first."`
}

func (c *calls) retentionRuns(ctx context.Context, in *struct {
	Limit int `query:"limit" default:"50" minimum:"1" maximum:"500"`
},
) (RetentionRuns, error) {
	runs, err := c.Campaigns.Chores(ctx, c.RetentionDuty, in.Limit)
	out := RetentionRuns{make([]RetentionRun, len(runs))}
	for i, r := range runs {
		out.Items[i] = RetentionRun{StartedAt: at(r.StartedAt), EndedAt: at(r.EndedAt), Removed: map[string]int64{}}
		if err := json.Unmarshal([]byte(r.Result), &out.Items[i].Removed); err != nil {
			return out, fmt.Errorf("run %d of retention: %w", r.ID, err)
		}
	}
	return out, err
}

func (c *calls) register(ctx context.Context, in *struct {
	Format string `query:"format" enum:"json,html" default:"json"`
},
) (file, error) {
	r, err := c.Campaigns.Register(ctx)
	if err != nil {
		return file{}, err
	}
	if in.Format == "html" {
		text, err := r.HTML()
		return whole("text/html; charset=utf-8", "", text, err)
	}
	text, err := json.MarshalIndent(r, "", "  ")
	return whole("application/json", "", text, err)
}

// NewKey is the number of the key that signs from now on.
type NewKey struct {
	Number int `json:"number"`
}

func (c *calls) rotateKeys(ctx context.Context, _ *struct{}) (*kept[NewKey], error) {
	return claimed(ctx, c, 201, bodyOf(ctx), func() (NewKey, error) {
		n, err := c.Keys.Rotate(ctx)
		return NewKey{n}, err
	})
}
