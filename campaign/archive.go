package campaign

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"facteur/internal/database"
)

// archived is what stays of a delivery: two bytes beside the person.
type archived struct {
	person  int64
	status  DeliveryStatus
	begun   bool  // it has left, or may have
	doubted bool  // it ever was in doubt
	lists   int64 // as in [Delivery]
}

// archiveStatus are the states by their number in an archive; the order stays.
var archiveStatus = [...]DeliveryStatus{Accepted, Failed, Skipped, Uncertain, Deferred, Queued, Begun}

// Bits of an archived delivery.
const (
	archiveStates  = 0b00111
	archiveBegun   = 0b01000
	archiveDoubted = 0b10000
)

// packed is a page as it is kept: for each person, in the order of their ids,
// the difference to the one before, the bits and the lists, all as varints, in base64.
func packed(page []archived) string {
	var b []byte
	before := int64(0)
	for _, d := range page {
		bits := uint64(slices.Index(archiveStatus[:], d.status)) & archiveStates
		if d.begun {
			bits |= archiveBegun
		}
		if d.doubted {
			bits |= archiveDoubted
		}
		b = binary.AppendUvarint(b, uint64(d.person-before))
		b = binary.AppendUvarint(b, bits)
		b = binary.AppendUvarint(b, uint64(d.lists))
		before = d.person
	}
	return base64.RawStdEncoding.EncodeToString(b)
}

// unpacked is the reverse.
func unpacked(text string) ([]archived, error) {
	b, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	next := func() (uint64, error) {
		v, n := binary.Uvarint(b)
		if n <= 0 {
			return 0, errors.New("is cut off")
		}
		b = b[n:]
		return v, nil
	}
	var page []archived
	before := int64(0)
	for len(b) > 0 {
		step, err1 := next()
		bits, err2 := next()
		lists, err3 := next()
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, err
		}
		if int(bits&archiveStates) >= len(archiveStatus) {
			return nil, fmt.Errorf("a state %d", bits&archiveStates)
		}
		before += int64(step)
		page = append(page, archived{
			person: before, status: archiveStatus[bits&archiveStates], lists: int64(lists),
			begun: bits&archiveBegun != 0, doubted: bits&archiveDoubted != 0,
		})
	}
	return page, nil
}

// Archive condenses at most limit deliveries of campaigns that ended before a
// time (Unix milliseconds) and returns how many it took. Totals, what was sent
// to people, ways out and what comes back late stay as they are; single answers
// and times go, and so do the files that travelled. Nothing of such a campaign
// can be sent again.
func (s *Store) Archive(ctx context.Context, tx *database.Tx, before int64, limit int) (int64, error) {
	if err := tx.Gate(ctx, false); err != nil { // in turn with who sends to the failed again
		return 0, err
	}
	for {
		var c archiving
		// Their part of the people's sums is in.
		err := tx.Get(ctx, &c, `SELECT id, archived_to FROM campaigns WHERE status IN ('sent', 'cancelled') AND finished_at > 0 AND finished_at < ?
			AND (launched_at = 0 OR summed_up < 0 AND summed_to >= finished_at) AND archived_to < ? ORDER BY id LIMIT 1`, before, archivedAll)
		if errors.Is(err, database.ErrNotFound) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		n, err := s.archivePage(ctx, tx, c, limit)
		if err != nil || n > 0 {
			return n, err
		}
	}
}

// archiving is how far a campaign's archive is.
type archiving struct {
	ID int64 `db:"id"`
	To int64 `db:"archived_to"` // the last person who is in it; the index is not searched again from its start
}

// archivedAll is behind the last person.
const archivedAll = 1<<63 - 1

// archivePage condenses the next of a campaign's deliveries.
func (s *Store) archivePage(ctx context.Context, tx *database.Tx, c archiving, limit int) (int64, error) {
	var rows []Delivery
	err := tx.Select(ctx, &rows, `SELECT `+deliveryColumns+` FROM deliveries WHERE campaign_id = ? AND subscriber_id > ? ORDER BY subscriber_id LIMIT ?`, c.ID, c.To, limit)
	if err != nil {
		return 0, err
	}
	last := int64(archivedAll)
	if len(rows) > 0 {
		last = rows[len(rows)-1].SubscriberID
	}
	_, err = tx.Exec(ctx, `UPDATE campaigns SET archived_to = ?, archived_at = CASE WHEN archived_at = 0 THEN ? ELSE archived_at END WHERE id = ?`,
		last, s.db.Now().UnixMilli(), c.ID)
	if err != nil {
		return 0, fmt.Errorf("archive campaign %d: %w", c.ID, err)
	}
	if len(rows) == 0 {
		_, err = tx.Exec(ctx, `DELETE FROM files WHERE campaign_id = ? AND placed <> 'hosted'`, c.ID)
		return 0, err
	}
	page := make([]archived, len(rows))
	for i, d := range rows {
		page[i] = archived{person: d.SubscriberID, status: d.Status, begun: d.Attempts > 0, doubted: d.Doubts > 0, lists: d.Lists}
	}
	_, err = tx.Exec(ctx, `INSERT INTO archives (campaign_id, last_id, n, people) VALUES (?, ?, ?, ?)`, c.ID, last, len(page), packed(page))
	if err != nil {
		return 0, fmt.Errorf("archive campaign %d: %w", c.ID, err)
	}
	for _, query := range []string{
		`DELETE FROM attempts WHERE campaign_id = ? AND subscriber_id > ? AND subscriber_id <= ?`,
		`DELETE FROM deliveries WHERE campaign_id = ? AND subscriber_id > ? AND subscriber_id <= ?`,
	} {
		if _, err := tx.Exec(ctx, query, c.ID, c.To, last); err != nil {
			return 0, fmt.Errorf("archive campaign %d: %w", c.ID, err)
		}
	}
	return int64(len(page)), nil
}

// archivedOf reads the pages of a campaign that may hold people from one id to another.
func (s *Store) archivedOf(ctx context.Context, campaignID, from, to int64, each func(archived)) error {
	var pages []string
	err := s.q.Select(ctx, &pages, `SELECT people FROM archives WHERE campaign_id = ? AND last_id >= ? AND last_id <=
			COALESCE((SELECT MIN(e.last_id) FROM archives e WHERE e.campaign_id = ? AND e.last_id >= ?), 9223372036854775807)
		ORDER BY last_id`, campaignID, from, campaignID, to)
	if err != nil {
		return err
	}
	for _, text := range pages {
		page, err := unpacked(text)
		if err != nil {
			return fmt.Errorf("archive of campaign %d: %w", campaignID, err)
		}
		for _, d := range page {
			if d.person >= from && d.person <= to {
				each(d)
			}
		}
	}
	return nil
}

// archivedDelivery is what is left of one person's delivery; [database.ErrNotFound]
// if there never was one.
func (s *Store) archivedDelivery(ctx context.Context, campaignID, subscriberID int64) (Delivery, error) {
	found := Delivery{}
	err := s.archivedOf(ctx, campaignID, subscriberID, subscriberID, func(a archived) { found = a.delivery(campaignID) })
	if err == nil && !found.Archived {
		err = database.ErrNotFound
	}
	return found, err
}

// delivery is an archived one as far as it is known.
func (a archived) delivery(campaignID int64) Delivery {
	d := Delivery{CampaignID: campaignID, SubscriberID: a.person, Status: a.status, Lists: a.lists, Archived: true}
	if a.begun {
		d.Attempts = 1
	}
	if a.doubted {
		d.Doubts = 1
	}
	return d
}

// recountArchived adds the archived deliveries to a recount.
func (s *Store) recountArchived(ctx context.Context, campaignID int64, c *Counts) error {
	return s.archivedOf(ctx, campaignID, 0, 1<<63-1, func(a archived) {
		c.Recipients++
		c.add(a.status, 1)
		if a.doubted {
			c.Doubted++
		}
	})
}

// archivedSent are those of some people, whose ids are in order, whom an
// archived campaign reached.
func (s *Store) archivedSent(ctx context.Context, campaignID int64, ids []int64, sent func(id int64)) error {
	if len(ids) == 0 {
		return nil
	}
	return s.archivedOf(ctx, campaignID, ids[0], ids[len(ids)-1], func(a archived) {
		if _, ok := slices.BinarySearch(ids, a.person); ok && a.status == Accepted {
			sent(a.person)
		}
	})
}

// dossierArchived adds the mails of campaigns that ended long ago.
func (s *Store) dossierArchived(ctx context.Context, d *Dossier, subscriberID int64) error {
	var old []struct {
		ID         int64  `db:"id"`
		Name       string `db:"name"`
		Subject    string `db:"subject"`
		LaunchedAt int64  `db:"launched_at"`
	}
	if err := s.q.Select(ctx, &old, `SELECT id, name, subject, launched_at FROM campaigns WHERE archived_at > 0 ORDER BY id`); err != nil {
		return err
	}
	for _, c := range old {
		found, err := s.archivedDelivery(ctx, c.ID, subscriberID)
		if errors.Is(err, database.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		d.Mails = append(d.Mails, DossierMail{Campaign: c.Name, Subject: c.Subject, Status: string(found.Status), At: moment(c.LaunchedAt)})
	}
	return nil
}
