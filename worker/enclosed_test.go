package worker_test

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
)

// outline is a message's parts as "type(type type)", with what their names are.
func outline(t *testing.T, kind string, body io.Reader, header string) string {
	t.Helper()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil {
		t.Fatal(kind, err)
	}
	if !strings.HasPrefix(media, "multipart/") {
		if _, params, err := mime.ParseMediaType(header); err == nil && params["filename"] != "" {
			return media + ":" + params["filename"]
		}
		return media
	}
	var parts []string
	for r := multipart.NewReader(body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return media + "(" + strings.Join(parts, " ") + ")"
		}
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, outline(t, p.Header.Get("Content-Type"), p, p.Header.Get("Content-Disposition")))
	}
}

func TestEnclosures_TravelWithEachMail(t *testing.T) {
	t.Parallel()
	e := start(t, databasetest.New(t))
	s := box(t, sandbox.Options{Keep: 10})
	sender, list := e.sender(s, 2), e.list("all", "ada@example.org")
	send := func(html, text string, files ...campaign.File) string {
		var id int64
		e.write(func(ctx context.Context, tx *database.Tx) error {
			c, err := e.campaigns.Create(ctx, tx, campaign.Campaign{Name: "Menu", Subject: "The menu", HTML: html, Text: text, SenderID: sender, ListIDs: []int64{list}})
			if err != nil {
				return err
			}
			for _, f := range files {
				f.CampaignID = c.ID
				if _, err := e.campaigns.AddFile(ctx, tx, f, bytes.Repeat([]byte("\x89PNG and so on"), 300), false); err != nil {
					return err
				}
			}
			id = c.ID
			_, err = e.campaigns.Launch(ctx, tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
			return err
		})
		e.scheduler.Nudge()
		e.sent(id, 30*time.Second)
		all := s.Messages()
		raw := all[len(all)-1].Raw
		for _, line := range bytes.Split(raw, []byte("\r\n")) {
			if len(line) > 998 || bytes.ContainsAny(line, "\r\n") {
				t.Errorf("a line of %d", len(line))
			}
		}
		m, err := mail.ReadMessage(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		return outline(t, m.Header.Get("Content-Type"), m.Body, "")
	}
	logo, menu := campaign.File{Name: "logo.png", Placed: campaign.Inline}, campaign.File{Name: "Menu d’été à la carte, très long pour un nom de fichier.pdf", Placed: campaign.Attached}
	far := campaign.File{Name: "book.pdf", Placed: campaign.Hosted}
	for want, got := range map[string]string{
		"multipart/alternative(text/plain text/html)":                                                                                          send("<p>Hello</p>", "", far),
		"multipart/mixed(multipart/alternative(text/plain text/html) application/pdf:" + menu.Name + ")":                                       send("<p>Hello</p>", "", menu),
		"multipart/alternative(text/plain multipart/related(text/html image/png:logo.png))":                                                    send(`<p>Hello <img src="cid:logo.png"></p>`, "", logo),
		"multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png:logo.png)) application/pdf:" + menu.Name + ")": send(`<p>Hello <img src="cid:logo.png"></p>`, "", logo, menu),
		"multipart/mixed(text/plain application/pdf:" + menu.Name + ")":                                                                        send("", "Hello", menu),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
