package worker_test

import (
	"context"
	"io"
	"mime/quotedprintable"
	"regexp"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending/sandbox"
	"facteur/unsubscribe"
)

// Nobody is watched who did not agree to it, and nobody any more who took it
// back, in mail that is already out either.
func TestTracking_OnlyOfThoseWhoAgreedAndWhileTheyDo(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e := start(t, db)
		s := box(t, sandbox.Options{Keep: 10})
		sender, list := e.sender(s, 2), e.list("all", "ada@example.org", "bob@example.org")
		ada, bob := e.person("ada@example.org"), e.person("bob@example.org")
		e.write(func(ctx context.Context, tx *database.Tx) error {
			if err := e.people.Track(ctx, tx, ada, true, "form", ""); err == nil {
				t.Error("a yes without its words")
			}
			return e.people.Track(ctx, tx, ada, true, "form", "You may watch me")
		})
		var id int64
		e.write(func(ctx context.Context, tx *database.Tx) error {
			c, err := e.campaigns.Create(ctx, tx, campaign.Campaign{
				Name: "Menu", Subject: "The menu", Tracking: true, SenderID: sender, ListIDs: []int64{list},
				HTML: `<p><a href="https://shop.example.com/menu?a=1&amp;b=2">Menu</a> <a href="{{ unsubscribe_url }}">Leave</a> <a class=x href='https://shop.example.com/hours'>Hours</a></p>`,
			})
			if err != nil {
				return err
			}
			id = c.ID
			_, err = e.campaigns.Launch(ctx, tx, c.ID, time.Time{}, campaign.Canary{}, campaign.Clearance{})
			return err
		})
		e.scheduler.Nudge()
		e.sent(id, 30*time.Second)
		for _, m := range s.Messages() {
			text, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(string(m.Raw))))
			if err != nil {
				t.Fatal(err)
			}
			links := regexp.MustCompile(`/t/[^"'/]+/[0-9]+`).FindAllString(string(text), -1)
			switch {
			case m.To[0] == "ada@example.org" && (len(links) != 3 || !strings.HasSuffix(links[0], "/1") || !strings.HasSuffix(links[1], "/2") || !strings.HasSuffix(links[2], "/0") || !strings.Contains(string(text), "/u/")):
				t.Errorf("ada's links: %q\n%s", links, text)
			case m.To[0] == "bob@example.org" && (len(links) != 0 || !strings.Contains(string(text), `href="https://shop.example.com/menu`)):
				t.Errorf("bob's links: %q\n%s", links, text)
			}
			if plain, _, _ := strings.Cut(string(text), "text/html"); strings.Contains(plain, "/t/") || !strings.Contains(plain, "https://shop.example.com/menu") {
				t.Errorf("the text part is watched:\n%s", plain)
			}
		}
		follow := func(person int64, link int, want string) {
			t.Helper()
			if to, err := e.campaigns.Follow(context.Background(), id, person, link); err != nil || to != want {
				t.Errorf("link %d leads to %q, %v", link, to, err)
			}
		}
		seen := func(want int64) {
			t.Helper()
			all, err := e.campaigns.Interactions(context.Background(), id)
			n := int64(0)
			for _, l := range all {
				n += l.Times
			}
			if err != nil || n != want {
				t.Errorf("seen: %+v, %v, want %d", all, err, want)
			}
		}
		follow(ada, 1, "https://shop.example.com/menu?a=1&b=2")
		follow(ada, 1, "https://shop.example.com/menu?a=1&b=2")
		follow(ada, campaign.Opened, "")
		follow(bob, 2, "https://shop.example.com/hours") // somebody passed the mail on
		seen(3)
		if _, err := e.campaigns.Follow(context.Background(), id, ada, 3); err == nil {
			t.Error("a link that there is none of")
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			return e.campaigns.Unwatch(ctx, tx, ada, "preferences")
		})
		seen(0)
		follow(ada, 1, "https://shop.example.com/menu?a=1&b=2")
		seen(0)
		ref := unsubscribe.Reference{CampaignID: id, SubscriberID: ada}
		if got, err := unsubscribe.ParseTrackToken(e.keys, ref.TrackToken(e.keys)); err != nil || got != ref {
			t.Errorf("the token: %+v, %v", got, err)
		}
		if _, err := unsubscribe.ParseLeaveToken(e.keys, ref.TrackToken(e.keys)); err == nil {
			t.Error("a link that is followed can unsubscribe")
		}
	})
}
