package campaign

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
)

// Opened is the number that stands for the picture of an opened mail; links
// count from 1.
const Opened = 0

// anchors finds links with a whole address that is the same for everybody.
var anchors = regexp.MustCompile(`(?i)(<a\s[^>]*?\bhref\s*=\s*)("https?://[^"{}<>\s]+"|'https?://[^'{}<>\s]+')`)

// Watched is content for those who agreed to be watched: its links lead by way
// of us, and a picture tells that it was opened. The links count on from after;
// they are returned as they were.
func Watched(html string, after int) (watched string, links []string) {
	watched = anchors.ReplaceAllStringFunc(html, func(tag string) string {
		m := anchors.FindStringSubmatch(tag)
		quote := m[2][:1]
		links = append(links, strings.ReplaceAll(strings.Trim(m[2], quote), "&amp;", "&"))
		return m[1] + quote + "{{ track_url }}/" + strconv.Itoa(after+len(links)) + quote
	})
	const picture = `<img src="{{ track_url }}/0" width="1" height="1" alt="" style="display:block">`
	if at := strings.LastIndex(strings.ToLower(watched), "</body>"); at >= 0 {
		return watched[:at] + picture + watched[at:], links
	}
	return watched + picture, links
}

// WatchedContents are a version's contents for those who agreed to be watched,
// by locale ("": its own), and all links in the order of their numbers.
func (v Version) WatchedContents() (html map[string]string, links []string) {
	html = map[string]string{}
	take := func(locale, text string) {
		watched, found := Watched(text, len(links))
		html[locale], links = watched, append(links, found...)
	}
	take("", v.HTML)
	for _, locale := range slices.Sorted(maps.Keys(v.Translations)) {
		take(locale, v.Translations[locale].HTML)
	}
	return html, links
}

// Follow is where a link of a person's mail leads, "" for the picture. It is
// noted only while the person agrees to be watched. [database.ErrNotFound] when
// there is no such mail or link.
func (s *Store) Follow(ctx context.Context, campaignID, subscriberID int64, link int) (to string, err error) {
	c, err := s.Campaign(ctx, campaignID)
	if err != nil {
		return "", err
	}
	v, err := s.Version(ctx, campaignID, c.Version)
	if err != nil {
		return "", err
	}
	if link != Opened {
		_, links := v.WatchedContents()
		if link < 0 || link > len(links) {
			return "", fmt.Errorf("link %d of campaign %d: %w", link, campaignID, database.ErrNotFound)
		}
		to = links[link-1]
	}
	if !v.Tracking || c.unwatchedAt > 0 {
		return to, nil
	}
	return to, s.db.Write(ctx, func(tx *database.Tx) error {
		if err := s.people.Hold(ctx, tx, []int64{subscriberID}); err != nil { // while they take it back
			return err
		}
		p, err := s.people.With(tx).Subscriber(ctx, subscriberID)
		if errors.Is(err, database.ErrNotFound) || err == nil && p.TrackingAt == 0 {
			return nil // they took it back: the link still leads where it says
		}
		if err != nil {
			return err
		}
		now := s.db.Now().UnixMilli()
		_, err = tx.Exec(ctx, `INSERT INTO interactions (campaign_id, subscriber_id, link, first_at, last_at, times) VALUES (?, ?, ?, ?, ?, 1)
			ON CONFLICT (campaign_id, subscriber_id, link) DO UPDATE SET last_at = excluded.last_at, times = interactions.times + 1`, campaignID, subscriberID, link, now, now)
		return err
	})
}

// Unwatch takes a person's agreement back and forgets what was seen of them.
func (s *Store) Unwatch(ctx context.Context, tx *database.Tx, subscriberID int64, source string) error {
	if err := s.people.Track(ctx, tx, subscriberID, false, source, ""); err != nil {
		return err
	}
	return s.forgetInteractions(ctx, tx, subscriberID)
}

func (s *Store) forgetInteractions(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	n, err := tx.Exec(ctx, `DELETE FROM interactions WHERE subscriber_id = ?`, subscriberID)
	if err != nil || n == 0 {
		return err
	}
	return journal.Write(ctx, tx, "forget-interactions", "subscriber", subscriberID, map[string]any{"rows": n})
}

// LinkCount is how many of those who agreed to be watched followed a link, or
// opened the mail.
type LinkCount struct {
	Link   int    `db:"link"` // 0: opened
	URL    string `db:"-"`
	People int64  `db:"people"`
	Times  int64  `db:"times"`
}

// Interactions counts them.
func (s *Store) Interactions(ctx context.Context, campaignID int64) ([]LinkCount, error) {
	c, err := s.Campaign(ctx, campaignID)
	if err != nil {
		return nil, err
	}
	v, err := s.Version(ctx, campaignID, c.Version)
	if errors.Is(err, database.ErrNotFound) || err == nil && !v.Tracking {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var counts []LinkCount
	err = s.q.Select(ctx, &counts, `SELECT link, CAST(SUM(people) AS BIGINT) AS people, CAST(SUM(times) AS BIGINT) AS times FROM (
			SELECT link, COUNT(*) AS people, SUM(times) AS times FROM interactions WHERE campaign_id = ? GROUP BY link
			UNION ALL SELECT link, people, times FROM link_totals WHERE campaign_id = ?) AS seen GROUP BY link ORDER BY link`, campaignID, campaignID)
	if err != nil {
		return nil, err
	}
	_, links := v.WatchedContents()
	for i, n := range counts {
		if n.Link > 0 && n.Link <= len(links) {
			counts[i].URL = links[n.Link-1]
		}
	}
	return counts, nil
}

// dossierWatching adds what a person said about being watched, and what was seen.
func (s *Store) dossierWatching(ctx context.Context, d *Dossier, p subscribers.Subscriber, _ func(int64) string) error {
	said, err := s.people.TrackingChoices(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, c := range said {
		d.Watching = append(d.Watching, DossierWatching{Given: c.Given, Source: c.Source, Wording: c.Wording, At: moment(c.At)})
	}
	var seen []struct {
		Name    string `db:"name"`
		Link    int    `db:"link"`
		Times   int64  `db:"times"`
		FirstAt int64  `db:"first_at"`
		LastAt  int64  `db:"last_at"`
	}
	err = s.q.Select(ctx, &seen, `SELECT c.name, i.link, i.times, i.first_at, i.last_at FROM interactions i JOIN campaigns c ON c.id = i.campaign_id WHERE i.subscriber_id = ? ORDER BY i.first_at`, p.ID)
	for _, n := range seen {
		d.Seen = append(d.Seen, DossierSeen{Campaign: n.Name, Link: n.Link, Times: n.Times, First: moment(n.FirstAt), Last: moment(n.LastAt)})
	}
	return err
}

// Unlink sums up what was seen of people in campaigns that ended before a time
// (Unix milliseconds) and forgets whom it was seen of, at most limit rows; it
// returns how many. From then on nothing more is noted of such a campaign.
func (s *Store) Unlink(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	var id int64
	err := tx.Get(ctx, &id, `SELECT c.id FROM campaigns c WHERE c.status IN ('sent', 'cancelled') AND c.finished_at > 0 AND c.finished_at < ?
		AND EXISTS (SELECT 1 FROM interactions i WHERE i.campaign_id = c.id) ORDER BY c.id LIMIT 1`, before)
	if errors.Is(err, database.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if _, err := tx.Exec(ctx, `UPDATE campaigns SET unwatched_at = ? WHERE id = ? AND unwatched_at = 0`, s.db.Now().UnixMilli(), id); err != nil {
		return 0, err
	}
	var rows []struct {
		SubscriberID int64 `db:"subscriber_id"`
		Link         int64 `db:"link"`
		Times        int64 `db:"times"`
	}
	err = tx.Select(ctx, &rows, `DELETE FROM interactions WHERE (campaign_id, subscriber_id, link) IN
		(SELECT campaign_id, subscriber_id, link FROM interactions WHERE campaign_id = ? ORDER BY subscriber_id, link LIMIT ?) RETURNING subscriber_id, link, times`, id, limit)
	if err != nil {
		return 0, fmt.Errorf("forget who followed links of campaign %d: %w", id, err)
	}
	people, times := map[int64]int64{}, map[int64]int64{}
	for _, r := range rows {
		people[r.Link]++
		times[r.Link] += r.Times
	}
	links := slices.Sorted(maps.Keys(people))
	return int64(len(rows)), tx.Each(ctx, `INSERT INTO link_totals (campaign_id, link, people, times) VALUES (?, ?, ?, ?)
		ON CONFLICT (campaign_id, link) DO UPDATE SET people = link_totals.people + excluded.people, times = link_totals.times + excluded.times`, len(links),
		func(i int, p *database.Params) { p.Set(id, links[i], people[links[i]], times[links[i]]) }, nil)
}
