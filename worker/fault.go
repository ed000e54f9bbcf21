package worker

import (
	"context"

	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending/smtp"
)

// faults counts the panics that a written group of turns tells of against the
// campaigns whose messages met them.
func (r *Recorder) faults(group []*turn) {
	for _, t := range group {
		for _, e := range t.ended {
			if panics.Is(e.Err) {
				if e.Stage == smtp.Compose {
					r.mishaps.Note("message", e.Err)
				}
				r.blame(e.Mail)
			}
		}
	}
}

// blame counts a panic against the campaign of a mail.
func (r *Recorder) blame(m smtp.Mail) {
	if d, ok := m.(*delivery); ok {
		r.panicked(d.row.CampaignID)
	}
}

// panicked counts a panic against a campaign, which the third one pauses
// before anything more of it begins here.
func (r *Recorder) panicked(campaignID int64) {
	ctx := context.WithoutCancel(r.lasting)
	paused := false
	err := r.db.Write(ctx, func(tx *database.Tx) (err error) {
		paused, err = r.campaigns.Panicked(ctx, tx, campaignID)
		return err
	})
	if err != nil {
		r.log.Error("count a panic", "campaign", campaignID, "error", err)
	}
	if paused {
		r.repace()
	}
}
