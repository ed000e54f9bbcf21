package campaign

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"facteur/internal/database"
)

// sampleRank is taken from the rank of the sample's rows, so that they come first.
const sampleRank = 1 << 62

// enlistPage is how many people join a sample in one transaction.
const enlistPage = 1000

// sampleGoal is how many people are to answer before a campaign goes on.
func (c Campaign) sampleGoal() int64 {
	share := int64(math.Ceil(c.CanaryPercent / 100 * float64(c.Recipients)))
	return min(c.Recipients, max(share, canaryFewest))
}

// sampled tells, by chance, whether the next person planned is of the sample.
func (c Campaign) sampled() bool { return c.CanaryPercent > 0 && rand.Float64()*100 < c.CanaryPercent }

// turnWithin is by how much (milliseconds) a person whose hour is still to come
// is put behind others of that hour: by chance, so that the first of an hour
// are a sample of it. Most share the last of few turns, as neighbours are
// quicker to write than a crowd.
func (c Campaign) turnWithin() (turn int64) {
	if c.CanaryPercent <= 0 {
		return 0
	}
	chance := rand.Float64() * 100
	for share := c.CanaryPercent; chance >= share && turn < 8; share *= 2 {
		turn++
	}
	return turn
}

// sample sees to it that enough people are of the sample who can be mailed, and
// lets the campaign wait once these have answered. While it lasts nobody else
// is mailed, so the campaign's books are the sample's.
func (s *Scheduler) sample(ctx context.Context, c Campaign) error {
	n, err := s.store.Counts(ctx, c.ID)
	if err != nil {
		return err
	}
	later, err := s.sampledForLater(ctx, c)
	if err != nil {
		return err
	}
	goal, answers := c.sampleGoal(), canaryAnswers(n)
	able := c.canarySize - n.Skipped - n.Uncertain // to answer, or they have
	if joined, err := s.enlist(ctx, c, goal-(able-later), goal-able); err != nil || joined > 0 {
		return err
	}
	unanswered := able - answers
	if unanswered-n.Sending >= n.Queued {
		return s.setCanary(ctx, c, canaryOff, 0) // nobody is left who is not of it
	}
	now, enough := s.store.db.Now().UnixMilli(), answers >= min(goal, canaryFewest)
	late := now >= c.canaryUntil
	if late && enough && unanswered > 0 {
		// A lane that is held, or an hour that is far, holds up nobody who could be mailed now.
		if enough, err = s.otherReady(ctx, c.ID); err != nil {
			return err
		}
	}
	switch {
	case enough && (late || unanswered <= 0 || answers >= goal):
		return s.setCanary(ctx, c, canaryWaiting, now+c.CanaryWait)
	case late:
		return s.setCanary(ctx, c, canarySample, s.sampleEnd(c))
	}
	return nil
}

// farOff is from when on a person of the sample waits for their hour, and not
// for a permit or a retry, as others would.
const farOff = 10 * time.Minute

// sampledForLater counts those of the sample whose hour is still to come.
func (s *Scheduler) sampledForLater(ctx context.Context, c Campaign) (n int64, err error) {
	if c.Calendar.Always() {
		return 0, nil
	}
	err = s.store.db.Get(ctx, &n, `SELECT COUNT(*) FROM deliveries WHERE campaign_id = ? AND wait = 2 AND rank < 0 AND status = 'queued' AND not_before + 0 > ?`,
		c.ID, s.store.db.Now().Add(farOff).UnixMilli())
	return n, err
}

// otherReady tells whether somebody who is not of the sample could be mailed now.
func (s *Scheduler) otherReady(ctx context.Context, id int64) (bool, error) {
	var one int64
	err := s.store.db.Get(ctx, &one, `SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND lane > 0 AND wait = 1 AND rank >= 0 LIMIT 1`, id)
	if errors.Is(err, database.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// enlist lets people join the sample, so many of those who are ready, from each
// lane alike; of what is missing in all then, those whose hour comes first. It
// goes on at the next look when that are many.
func (s *Scheduler) enlist(ctx context.Context, c Campaign, ready, missing int64) (joined int64, err error) {
	if ready <= 0 && missing <= 0 {
		return 0, nil
	}
	lanes, err := s.lanesOf(ctx, c)
	if err != nil {
		return 0, err
	}
	err = s.write(ctx, func(tx *database.Tx) error {
		joined = 0
		for i, lane := range lanes {
			share := min(enlistPage, max(0, ready-joined)/int64(len(lanes)-i))
			if i == len(lanes)-1 {
				share = min(enlistPage, max(0, ready-joined))
			}
			n, err := tx.Exec(ctx, `UPDATE deliveries SET rank = rank - ? WHERE campaign_id = ? AND subscriber_id IN
				(SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND lane = ? AND wait = 1 AND rank >= 0 ORDER BY rank LIMIT ?)`, int64(sampleRank), c.ID, c.ID, lane, share)
			if err != nil {
				return err
			}
			joined += n
		}
		n, err := tx.Exec(ctx, `UPDATE deliveries SET rank = rank - ? WHERE campaign_id = ? AND subscriber_id IN
			(SELECT subscriber_id FROM deliveries WHERE campaign_id = ? AND wait = 2 AND rank >= 0 AND status = 'queued' ORDER BY not_before LIMIT ?)`,
			int64(sampleRank), c.ID, c.ID, min(enlistPage, max(0, missing-joined)))
		if err != nil {
			return err
		}
		if joined += n; joined == 0 {
			return nil
		}
		_, err = tx.Exec(ctx, `UPDATE campaigns SET canary_size = canary_size + ? WHERE id = ?`, joined, c.ID)
		return err
	})
	return joined, err
}
