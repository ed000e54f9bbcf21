package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/throttle"
)

// Each thing goes once it was kept long enough, and neither earlier nor what is
// still needed.
func TestRetention_TakesWhatIsOldAndNothingElse(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
		if err != nil {
			t.Fatal(err)
		}
		people, senders, pace := subscribers.NewStore(db).Keyed(keys), sending.NewStore(db, keys), throttle.NewStore(db)
		a := &App{db: db, people: people, campaigns: campaign.NewStore(db, people, senders, pace)}
		a.feedback = feedback.NewProcessor(feedback.Options{DB: db, People: people, Campaigns: a.campaigns, Sending: senders, Pace: pace})
		rows := []struct {
			what, table, columns, values string // AT is a time, HOUR and DAY are its, ID is an id
			days, kept                   int64  // how long; how many of the old are kept
		}{
			{"journal", "journal", `id, at, actor, verb, object, object_id, details`, `ID, AT, 'a', 'v', 'o', 0, '{}'`, 1095, 0},
			{"webhook_calls", "webhook_calls", `webhook_id, entry_id, attempts, next_at, dead, failure`, `1, ID, 0, AT, true, ''`, 90, 0},
			{"", "webhook_calls", `webhook_id, entry_id, attempts, next_at, dead, failure`, `2, ID, 0, AT, false, ''`, 90, 1}, // is still told
			{
				"events", "feedback", `id, key, kind, class, campaign_id, subscriber_id, letter_id, source, found_by,
					status, code, diagnostic, recipient, effect, at`,
				`ID, 'ID', 'bounce', '', 1, 1, 0, '', '', '', 0, '', '', 'noted', AT`, 730, 0,
			},
			{"rates", "rates", `campaign_id, lane, hour, shard, accepted, refused, returned, soft, complained`, `ID, 1, HOUR, 1, 1, 0, 0, 0, 0`, 1095, 0},
			{"", "external_rates", `domain, provider, day, source, rate, updated_at`, `'ID', 'google', DAY, '', 0, 0`, 1095, 0},
			{
				"", "warmup_days", `lane, date, step, cap, used, letters, verdict, reason, from_at,
					until_at, last_date, last_step, opened_at`,
				`ID, DAY, 0, 9, 1, 0, '', '', 0, 0, 0, 0, 0`, 1095, 1, // the lane's last one
			},
			{"duties", "chores", `id, name, started_at, ended_at, result`, `ID, 'd', AT, AT, '{}'`, 365, 0},
			{"reports", "hygiene_reports", `id, list_id, status, report, created_at, finished_at`, `ID, 1, 'done', '{}', AT, AT`, 365, 0},
			{"mail_domains", "mail_domains", `domain, mx, checked_at`, `'ID', 'yes', AT`, 30, 0},
			{
				"leavings", "leavings", `id, subscriber_id, campaign_id, lists, source, reason, note, asked_at, left_at, undone_at`,
				`ID, 1, 1, '[]', '', '', '', AT, AT, 0`, 1095, 0,
			},
		}
		for _, r := range rows {
			for _, days := range []int64{r.days + 2, r.days - 2} {
				at := time.Now().AddDate(0, 0, -int(days))
				values := strings.NewReplacer("AT", fmt.Sprint(at.UnixMilli()), "HOUR", fmt.Sprint(throttle.Hour(at)),
					"DAY", fmt.Sprint(throttle.Day(at)), "ID", fmt.Sprint(db.NewID())).Replace(r.values)
				if _, err := db.Exec(t.Context(), `INSERT INTO `+r.table+` (`+r.columns+`) VALUES (`+values+`)`); err != nil {
					t.Fatal(r.table, err)
				}
			}
		}
		removed, err := people.Retain(t.Context(), a.removals(senders, pace), a.campaigns.Erase, db.Write)
		if err != nil {
			t.Fatal(err)
		}
		left := map[string]int64{}
		for _, r := range rows {
			left[r.table] += 1 + r.kept
			if r.what != "" && removed[r.what] == 0 {
				t.Errorf("nothing of %s was removed: %v", r.what, removed)
			}
		}
		for table, want := range left {
			var n int64
			if err := db.Get(t.Context(), &n, `SELECT COUNT(*) FROM `+table); err != nil || n != want {
				t.Errorf("%s: %d rows are left, want %d; %v", table, n, want, err)
			}
		}
	})
}
