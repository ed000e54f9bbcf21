package campaign

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"strings"
	"time"
	"unicode"

	"facteur/campaign/content"
	"facteur/internal/database"
	"facteur/internal/journal"
)

// Placed is where a campaign's file is.
type Placed string

// Places of files.
const (
	Attached Placed = "attached" // travels with each mail
	Inline   Placed = "inline"   // too, and is shown where the HTML says cid:NAME
	Hosted   Placed = "hosted"   // lies here, under a link that ends
)

// Bounds of a campaign's files. What travels is sent once for each recipient,
// and many servers refuse mails of more than 10 MB in base64.
const (
	mostFiles   = 20
	MaxFile     = 20 << 20 // bytes of a hosted one
	maxTravels  = 5 << 20  // bytes of all that travel together
	defaultHost = 90 * 24 * time.Hour
)

// File is a file of a campaign.
type File struct {
	ID         int64  `db:"id"`
	CampaignID int64  `db:"campaign_id"`
	Placed     Placed `db:"placed"`
	Name       string `db:"name"`
	MediaType  string `db:"media_type"`
	Size       int64  `db:"size"` // bytes
	ExpiresAt  int64  `db:"expires_at"`
	CreatedAt  int64  `db:"created_at"`
}

const fileColumns = `id, campaign_id, placed, name, media_type, size, expires_at, created_at`

// AddFile keeps a file for a campaign that is not launched yet; zipped packs it
// first. A hosted one without an end is kept for 90 days.
func (s *Store) AddFile(ctx context.Context, tx *database.Tx, f File, data []byte, zipped bool) (File, error) {
	if err := s.touch(ctx, tx, f.CampaignID); err != nil {
		return File{}, err
	}
	err := f.check()
	if err != nil {
		return File{}, err
	}
	if zipped {
		if f, data, err = f.zip(data); err != nil {
			return File{}, err
		}
	}
	f.MediaType = mediaType(f.Name, data)
	f.Size = int64(len(data))
	if f.Placed == Inline && !strings.HasPrefix(f.MediaType, "image/") {
		return File{}, &Invalid{"placed", fmt.Sprintf("%s is no image: only images are shown within a mail", f.Name)}
	}
	if err := s.roomFor(ctx, tx, f); err != nil {
		return File{}, err
	}
	now := s.db.Now()
	if f.Placed != Hosted {
		f.ExpiresAt = 0
	} else if f.ExpiresAt == 0 {
		f.ExpiresAt = now.Add(defaultHost).UnixMilli()
	}
	f.ID, f.CreatedAt = s.db.NewID(), now.UnixMilli()
	_, err = tx.Exec(ctx, `INSERT INTO files (`+fileColumns+`, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		f.ID, f.CampaignID, string(f.Placed), f.Name, f.MediaType, f.Size, f.ExpiresAt, f.CreatedAt, base64.StdEncoding.EncodeToString(data))
	if err != nil {
		return File{}, fmt.Errorf("file %s: %w", f.Name, err)
	}
	return f, journal.Write(ctx, tx, "add-file", "campaign", f.CampaignID, map[string]any{"name": f.Name, "placed": f.Placed, "size": f.Size})
}

// check refuses names that mail programs or servers could misread.
func (f *File) check() error {
	f.Name = strings.TrimSpace(path.Base(strings.ReplaceAll(f.Name, `\`, "/")))
	switch {
	case f.Name == "" || f.Name == "." || f.Name == "/" || len(f.Name) > 150:
		return &Invalid{"name", "want a file's name of at most 150 bytes"}
	case strings.ContainsFunc(f.Name, func(r rune) bool {
		return unicode.IsControl(r) || r == unicode.ReplacementChar || strings.ContainsRune(`"<>|:*?`, r)
	}):
		return &Invalid{"name", fmt.Sprintf("%q has characters that file names may not have", f.Name)}
	}
	switch f.Placed {
	case Attached, Hosted:
		return nil
	case Inline:
		if strings.ContainsFunc(f.Name, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r)
		}) {
			return &Invalid{"name", fmt.Sprintf("%q: the HTML names it as cid:NAME: want letters, digits, dots, hyphens and underscores", f.Name)}
		}
		return nil
	}
	return &Invalid{"placed", fmt.Sprintf("%q is unknown: want attached, inline or hosted", f.Placed)}
}

// zip packs a file.
func (f File) zip(data []byte) (File, []byte, error) {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	into, err := w.Create(f.Name)
	if err == nil {
		_, err = into.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	f.Name = strings.TrimSuffix(f.Name, path.Ext(f.Name)) + ".zip"
	return f, out.Bytes(), err
}

// mediaType goes by the name, then by the bytes.
func mediaType(name string, data []byte) string {
	if t, _, err := mime.ParseMediaType(mime.TypeByExtension(strings.ToLower(path.Ext(name)))); err == nil {
		return t
	}
	t, _, _ := mime.ParseMediaType(http.DetectContentType(data))
	return t
}

func (s *Store) roomFor(ctx context.Context, tx *database.Tx, f File) error {
	all, err := s.With(tx).Files(ctx, f.CampaignID)
	if err != nil {
		return err
	}
	travels := int64(0)
	for _, other := range all {
		if other.Placed != Hosted {
			travels += other.Size
		}
	}
	switch {
	case len(all) >= mostFiles:
		return &Invalid{"file", fmt.Sprintf("a campaign has at most %d files", mostFiles)}
	case f.Size == 0:
		return &Invalid{"file", "is empty"}
	case f.Placed == Hosted && f.Size > MaxFile:
		return &Invalid{"file", fmt.Sprintf("%d bytes: at most %d", f.Size, MaxFile)}
	case f.Placed != Hosted && travels+f.Size > maxTravels:
		return &Invalid{"file", fmt.Sprintf("all that travels with a mail would be %d bytes, more than %d: let it be hosted, and link to it", travels+f.Size, maxTravels)}
	}
	return nil
}

// Files lists a campaign's files.
func (s *Store) Files(ctx context.Context, campaignID int64) ([]File, error) {
	var all []File
	err := s.q.Select(ctx, &all, `SELECT `+fileColumns+` FROM files WHERE campaign_id = ? ORDER BY id`, campaignID)
	return all, err
}

// DeleteFile takes a file from a campaign. A hosted one may go at any time.
func (s *Store) DeleteFile(ctx context.Context, tx *database.Tx, campaignID, id int64) error {
	if _, err := s.With(tx).Campaign(ctx, campaignID); err != nil {
		return err
	}
	f, err := s.With(tx).File(ctx, id)
	if err == nil && f.CampaignID != campaignID {
		err = database.ErrNotFound
	}
	if err != nil {
		return fmt.Errorf("file %d: %w", id, err)
	}
	if err := s.touch(ctx, tx, campaignID); err != nil && (f.Placed != Hosted || !errors.Is(err, ErrState)) {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM files WHERE id = ?`, id); err != nil {
		return err
	}
	return journal.Write(ctx, tx, "delete-file", "campaign", campaignID, map[string]any{"name": f.Name})
}

// File finds a file by id.
func (s *Store) File(ctx context.Context, id int64) (File, error) {
	var f File
	err := s.q.Get(ctx, &f, `SELECT `+fileColumns+` FROM files WHERE id = ?`, id)
	return f, err
}

// FileData is what is in a file.
func (s *Store) FileData(ctx context.Context, id int64) ([]byte, error) {
	var text string
	if err := s.q.Get(ctx, &text, `SELECT data FROM files WHERE id = ?`, id); err != nil {
		return nil, fmt.Errorf("file %d: %w", id, err)
	}
	return base64.StdEncoding.DecodeString(text)
}

// fileGrace is how long a hosted file is kept beyond its end, to say that it is gone.
const fileGrace = 30 * 24 * time.Hour

// pruneFiles removes hosted files whose end is long past.
func (s *Store) pruneFiles(ctx context.Context) error {
	return s.db.Write(ctx, func(tx *database.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM files WHERE placed = 'hosted' AND expires_at < ?`, s.db.Now().Add(-fileGrace).UnixMilli())
		return err
	})
}

// Enclosures are the files that travel with a campaign's mails.
func (s *Store) Enclosures(ctx context.Context, campaignID int64) ([]content.Enclosure, error) {
	all, err := s.Files(ctx, campaignID)
	if err != nil {
		return nil, err
	}
	var enclosed []content.Enclosure
	for _, f := range all {
		if f.Placed == Hosted {
			continue
		}
		data, err := s.FileData(ctx, f.ID)
		if err != nil {
			return nil, err
		}
		enclosed = append(enclosed, content.Enclosure{Name: f.Name, MediaType: f.MediaType, Inline: f.Placed == Inline, Data: data})
	}
	return enclosed, nil
}
