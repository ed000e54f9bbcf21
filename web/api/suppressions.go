package api

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/subscribers"

	"github.com/danielgtaylor/huma/v2"
)

// NewSuppression is an address that must not be mailed.
type NewSuppression struct {
	Email  string `json:"email" example:"ada@example.com"`
	ListID ID     `json:"list_id,omitempty" doc:"For this list only; none: for all."`
	Reason string `json:"reason,omitempty" enum:"manual,complaint,all_mail,hard_bounce,soft_bounce" default:"manual" doc:"A complaint and a no to all mail end all subscriptions; only the person's new double opt-in brings them back."`
}

// Suppression is an address that is not mailed.
type Suppression struct {
	Address string     `json:"address" doc:"As addresses are compared: the local part in lower case, the domain as an A-label."`
	ListID  *ID        `json:"list_id" doc:"null: for all lists."`
	Reason  string     `json:"reason"`
	Source  string     `json:"source"`
	At      *time.Time `json:"at"`
}

func suppressionOf(x subscribers.Suppression) Suppression {
	out := Suppression{Address: x.Key, Reason: x.Reason, Source: x.Source, At: at(x.At)}
	if x.ListID != 0 {
		id := idOf(x.ListID)
		out.ListID = &id
	}
	return out
}

func (c *calls) suppress(ctx context.Context, tx *database.Tx, in *struct{ Body NewSuppression }) (Suppression, error) {
	a, err := address.Parse(in.Body.Email)
	if err != nil {
		return Suppression{}, onField("email", err)
	}
	if in.Body.ListID != "" {
		if _, err := c.People.With(tx).List(ctx, in.Body.ListID.int()); err != nil {
			return Suppression{}, onField("list_id", err)
		}
	}
	if err := c.People.Suppress(ctx, tx, a, in.Body.ListID.int(), in.Body.Reason, askedBy(ctx).actor.Name); err != nil {
		return Suppression{}, err
	}
	found, err := c.People.With(tx).Suppressions(ctx, subscribers.SuppressionFilter{Key: a.Key(), ListID: in.Body.ListID.int()}, "", -1, 1)
	if err == nil && len(found) == 0 {
		err = database.ErrNotFound
	}
	if err != nil {
		return Suppression{}, err
	}
	return suppressionOf(found[0]), nil
}

// SuppressionsOf is the query that chooses suppressions.
type SuppressionsOf struct {
	Email  string    `query:"email" doc:"Of this address."`
	ListID ID        `query:"list_id" doc:"Of this list only; 0: of those for all lists."`
	Reason string    `query:"reason" enum:"manual,complaint,all_mail,hard_bounce,soft_bounce"`
	Source string    `query:"source" doc:"Who said so, such as token:3, import or relay:12."`
	From   time.Time `query:"from" doc:"Made at or after."`
	To     time.Time `query:"to" doc:"Made before."`
}

func (s SuppressionsOf) filter() (subscribers.SuppressionFilter, error) {
	f := subscribers.SuppressionFilter{Reason: s.Reason, Source: s.Source, ListID: -1, From: database.Millis(s.From), To: database.Millis(s.To)}
	if s.ListID != "" {
		f.ListID = s.ListID.int()
	}
	if s.Email != "" {
		a, err := address.Parse(s.Email)
		if err != nil {
			return f, onField("email", err)
		}
		f.Key = a.Key()
	}
	return f, nil
}

// SuppressionPage is a part of the suppressions, in the order of addresses.
type SuppressionPage struct {
	Items []Suppression `json:"items"`
	Next  *string       `json:"next" doc:"The cursor of the next part, null at the end."`
}

func (c *calls) suppressions(ctx context.Context, in *struct {
	SuppressionsOf
	Limit  int    `query:"limit" default:"50" minimum:"1" maximum:"500"`
	Cursor string `query:"cursor"`
},
) (SuppressionPage, error) {
	f, err := in.filter()
	if err != nil {
		return SuppressionPage{}, err
	}
	key, list := "", int64(-1)
	if in.Cursor != "" {
		if key, list, err = suppressionCursor(in.Cursor); err != nil {
			return SuppressionPage{}, err
		}
	}
	found, err := c.People.Suppressions(ctx, f, key, list, in.Limit+1)
	page := SuppressionPage{Items: []Suppression{}}
	for i, x := range found {
		if i == in.Limit {
			next := fmt.Sprintf("%d:%s", found[i-1].ListID, found[i-1].Key)
			page.Next = &next
			break
		}
		page.Items = append(page.Items, suppressionOf(x))
	}
	return page, err
}

func suppressionCursor(text string) (key string, list int64, err error) {
	number, key, _ := strings.Cut(text, ":")
	if list, err = strconv.ParseInt(number, 10, 64); err != nil || key == "" {
		return "", 0, invalid("cursor", "is none that a page gave")
	}
	return key, list, nil
}

// Undone says how many suppressions were ended.
type Undone struct {
	Undone int64 `json:"undone"`
}

// unsuppress ends the suppressions of one address.
func (c *calls) unsuppress(ctx context.Context, in *struct {
	Email  string `query:"email" required:"true"`
	ListID ID     `query:"list_id" doc:"Of this list only; none: all of the address."`
},
) (Undone, error) {
	f, err := SuppressionsOf{Email: in.Email, ListID: in.ListID}.filter()
	if err != nil {
		return Undone{}, err
	}
	n, err := c.undo(ctx, f)
	if err == nil && n == 0 {
		held, err := c.People.Suppressions(ctx, f, "", -1, 1)
		if err != nil {
			return Undone{}, err
		}
		if len(held) > 0 {
			return Undone{}, problem(409, "own_word", "this person complained, or wants no mail at all: only their own new double opt-in ends that")
		}
		return Undone{}, fmt.Errorf("suppression: %w", database.ErrNotFound)
	}
	return Undone{n}, err
}

// WrongDay names suppressions that should never have been made.
type WrongDay struct {
	Source string    `json:"source,omitempty" doc:"Such as relay:12."`
	Reason string    `json:"reason,omitempty" enum:"manual,hard_bounce,soft_bounce"`
	From   time.Time `json:"from" doc:"Made at or after."`
	To     time.Time `json:"to" doc:"Made before."`
}

func (c *calls) undoSuppressions(ctx context.Context, in *struct{ Body WrongDay }) (*kept[Undone], error) {
	w := in.Body
	if w.Source == "" && w.Reason == "" {
		return nil, invalid("source", "name a source or a reason: which of that time are wrong?")
	}
	if !w.To.After(w.From) {
		return nil, invalid("to", "is not after from")
	}
	return claimed(ctx, c, 200, bodyOf(ctx), func() (Undone, error) {
		n, err := c.undo(ctx, subscribers.SuppressionFilter{Source: w.Source, Reason: w.Reason, ListID: -1, From: w.From.UnixMilli(), To: w.To.UnixMilli()})
		return Undone{n}, err
	})
}

// undo works in pages, so that nobody waits for a wrong day of thousands.
func (c *calls) undo(ctx context.Context, f subscribers.SuppressionFilter) (all int64, err error) {
	for {
		var n int64
		err := c.DB.Write(ctx, func(tx *database.Tx) (err error) {
			n, err = c.People.Unsuppress(ctx, tx, f, 500)
			return err
		})
		if all += n; err != nil || n == 0 {
			return all, err
		}
	}
}

func (c *calls) exportSuppressions(ctx context.Context, in *SuppressionsOf) (file, error) {
	f, err := in.filter()
	if err != nil {
		return file{}, err
	}
	return file{"text/csv; charset=utf-8", "suppressions.csv", func(w io.Writer) error {
		out := csv.NewWriter(w)
		if err := out.Write([]string{"email", "list_id", "reason", "source", "at"}); err != nil {
			return err
		}
		key, list := "", int64(-1)
		for {
			page, err := c.People.Suppressions(ctx, f, key, list, 1000)
			if err != nil {
				return err
			}
			for _, x := range page {
				key, list = x.Key, x.ListID
				id := ""
				if x.ListID != 0 {
					id = strconv.FormatInt(x.ListID, 10)
				}
				if err := out.Write([]string{safeCell(x.Key), id, x.Reason, safeCell(x.Source), database.Time(x.At).Format(time.RFC3339)}); err != nil {
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

// safeCell keeps a spreadsheet from taking a text for a formula.
func safeCell(text string) string {
	if text != "" && (text[0] == '=' || text[0] == '+' || text[0] == '-' || text[0] == '@' || text[0] == '\t' || text[0] == '\r') {
		return "'" + text
	}
	return text
}

// SuppressedFile says what became of a file of addresses.
type SuppressedFile struct {
	Rows       int64     `json:"rows"`
	Suppressed int64     `json:"suppressed"`
	Refused    int64     `json:"refused"`
	Problems   []Refused `json:"problems" doc:"The first refused rows, at most 50."`
}

const maxSuppressions = 16 << 20

// suppressFile registers the upload.
func (c *calls) suppressFile(api huma.API, op huma.Operation) {
	op.RequestBody = &huma.RequestBody{
		Required: true, Description: "CSV: a column email, and reason (manual if there is none); or one address a line. At most 16 MiB.",
		Content: map[string]*huma.MediaType{"text/csv": {Schema: &huma.Schema{Type: huma.TypeString}}},
	}
	answered(c, 200, c.importSuppressions)(api, op)
}

func (c *calls) importSuppressions(ctx context.Context, in *struct {
	ListID ID     `query:"list_id" doc:"For this list only; none: for all."`
	Source string `query:"source" maxLength:"200" default:"import" doc:"Who says so; by this a wrong file can be undone."`
},
) (*kept[SuppressedFile], error) {
	if in.ListID != "" {
		if _, err := c.People.List(ctx, in.ListID.int()); err != nil {
			return nil, onField("list_id", err)
		}
	}
	text, err := io.ReadAll(io.LimitReader(askedBy(ctx).body, maxSuppressions+1))
	if err != nil {
		return nil, problem(400, "incomplete", "the body did not arrive whole; nothing was changed").with("Connection", "close")
	}
	if len(text) > maxSuppressions {
		return nil, problem(413, "too_large", fmt.Sprintf("the file is larger than %d bytes: split it", maxSuppressions)).with("Connection", "close")
	}
	sum := sha256.Sum256(text)
	hash := func() (string, error) { return hex.EncodeToString(sum[:]), nil }
	return claimed(ctx, c, 200, hash, func() (SuppressedFile, error) {
		rows, out, err := suppressionRows(bytes.NewReader(text))
		if err != nil {
			return out, err
		}
		for part := range slices.Chunk(rows, 50) { // each holds up all begins
			err := c.DB.Write(ctx, func(tx *database.Tx) error {
				for _, r := range part {
					if err := c.People.Suppress(ctx, tx, r.address, in.ListID.int(), r.reason, in.Source); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return out, err
			}
			out.Suppressed += int64(len(part))
		}
		return out, nil
	})
}

type suppressionRow struct {
	address address.Address
	reason  string
}

// suppressionRows reads a file of addresses; the columns are found by their
// names, and without names the first holds the address.
func suppressionRows(body io.Reader) (rows []suppressionRow, out SuppressedFile, err error) {
	out.Problems = []Refused{}
	r := csv.NewReader(bufio.NewReader(body))
	r.FieldsPerRecord, r.LazyQuotes, r.TrimLeadingSpace = -1, true, true
	email, reason := 0, -1
	for line := 1; ; line++ {
		fields, err := r.Read()
		if err == io.EOF {
			return rows, out, nil
		}
		if err != nil {
			return nil, out, problem(422, "bad_file", "line "+strconv.Itoa(line)+": "+err.Error())
		}
		if line == 1 && header(fields, &email, &reason) {
			continue
		}
		if email >= len(fields) || fields[email] == "" {
			continue
		}
		out.Rows++
		row := suppressionRow{reason: subscribers.Manual}
		if reason >= 0 && reason < len(fields) && fields[reason] != "" {
			row.reason = fields[reason]
		}
		refused := Refused{Line: line, Column: "email"}
		var wrong *address.Invalid
		if row.address, err = address.Parse(fields[email]); errors.As(err, &wrong) {
			refused.Reason, refused.Detail = string(wrong.Reason), wrong.Detail
		} else if !slices.Contains(subscribers.SuppressionReasons(), row.reason) {
			refused.Column, refused.Reason, refused.Detail = "reason", "unknown_reason", fmt.Sprintf("want one of %v", subscribers.SuppressionReasons())
		} else {
			rows = append(rows, row)
			continue
		}
		if out.Refused++; len(out.Problems) < 50 {
			out.Problems = append(out.Problems, refused)
		}
	}
}

// header finds the columns by their names; false when there are none.
func header(fields []string, email, reason *int) bool {
	found := false
	for i, f := range fields {
		switch f {
		case "email", "address", "\ufeffemail":
			*email, found = i, true
		case "reason":
			*reason = i
		}
	}
	return found
}
