package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/unsubscribe"

	"github.com/danielgtaylor/huma/v2"
)

// File is a file of a campaign.
type File struct {
	ID        ID         `json:"id"`
	Placed    string     `json:"placed" enum:"attached,inline,hosted"`
	Name      string     `json:"name"`
	MediaType string     `json:"media_type"`
	Size      int64      `json:"size" doc:"Bytes; about a third more in the mail."`
	Use       string     `json:"use" doc:"What to write into the HTML: cid:NAME for an inline one, the link for a hosted one; empty for an attached one."`
	ExpiresAt *time.Time `json:"expires_at" doc:"From when on the link leads to nothing."`
	CreatedAt *time.Time `json:"created_at"`
}

func (c *calls) fileOf(f campaign.File) File {
	out := File{ID: idOf(f.ID), Placed: string(f.Placed), Name: f.Name, MediaType: f.MediaType, Size: f.Size, ExpiresAt: at(f.ExpiresAt), CreatedAt: at(f.CreatedAt)}
	switch f.Placed {
	case campaign.Inline:
		out.Use = "cid:" + f.Name
	case campaign.Hosted:
		out.Use = c.PublicURL + "/f/" + unsubscribe.FileToken(c.Keys, f.ID)
	case campaign.Attached:
	}
	return out
}

// FileList is a campaign's files.
type FileList struct {
	Files []File `json:"files"`
}

func (c *calls) files(ctx context.Context, in *ByID) (out FileList, err error) {
	if _, err := c.Campaigns.Campaign(ctx, in.id()); err != nil {
		return out, err
	}
	all, err := c.Campaigns.Files(ctx, in.id())
	out.Files = make([]File, len(all))
	for i, f := range all {
		out.Files[i] = c.fileOf(f)
	}
	return out, err
}

// upload registers the call whose body is a file.
func (c *calls) upload(api huma.API, op huma.Operation) {
	op.RequestBody = &huma.RequestBody{
		Required: true, Description: "The file itself. All that travels with a mail: at most 5 MiB; a hosted one: 20 MiB.",
		Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}},
	}
	answered(c, http.StatusCreated, c.addFile)(api, op)
}

func (c *calls) addFile(ctx context.Context, in *struct {
	ByID
	Name   string `query:"name" required:"true" maxLength:"150" example:"menu.pdf"`
	Placed string `query:"placed" enum:"attached,inline,hosted" default:"attached" doc:"attached: travels with each mail; inline: a picture shown where the HTML says cid:NAME; hosted: under a link that ends."`
	Zip    bool   `query:"zip" doc:"Pack it first."`
	Days   int    `query:"days" minimum:"1" maximum:"3650" default:"90" doc:"How long a hosted one is kept."`
},
) (*kept[File], error) {
	data, err := io.ReadAll(io.LimitReader(askedBy(ctx).body, campaign.MaxFile+1))
	if err != nil {
		return nil, problem(http.StatusBadRequest, "incomplete", "the file did not arrive whole; nothing was changed").with("Connection", "close")
	}
	if len(data) > campaign.MaxFile {
		return nil, problem(http.StatusRequestEntityTooLarge, "too_large", fmt.Sprintf("the file is larger than %d bytes", campaign.MaxFile)).with("Connection", "close")
	}
	sum := sha256.Sum256(data)
	hash := func() (string, error) { return hex.EncodeToString(sum[:]), nil }
	return claimed(ctx, c, http.StatusCreated, hash, func() (out File, err error) {
		f := campaign.File{CampaignID: in.id(), Placed: campaign.Placed(in.Placed), Name: in.Name, ExpiresAt: c.DB.Now().AddDate(0, 0, in.Days).UnixMilli()}
		err = c.DB.Write(ctx, func(tx *database.Tx) error {
			made, err := c.Campaigns.AddFile(ctx, tx, f, data, in.Zip)
			out = c.fileOf(made)
			return err
		})
		return out, err
	})
}

func (c *calls) deleteFile(ctx context.Context, in *struct {
	ByID
	File ID `path:"file"`
},
) (out FileList, err error) {
	err = c.DB.Write(ctx, func(tx *database.Tx) error { return c.Campaigns.DeleteFile(ctx, tx, in.id(), in.File.int()) })
	if err != nil {
		return out, err
	}
	return c.files(ctx, &in.ByID)
}
