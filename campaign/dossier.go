package campaign

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"time"

	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/subscribers/consent"
)

// Dossier is all that is held about one person (GDPR art. 15), ready for JSON
// and for reading. Times are RFC 3339 in UTC.
type Dossier struct {
	MadeAt        string                `json:"made_at"`
	Person        DossierPerson         `json:"person"`
	Subscriptions []DossierSubscription `json:"subscriptions"`
	Consents      []DossierConsent      `json:"consents"`
	Suppressions  []DossierSuppression  `json:"suppressions"`
	Leavings      []DossierLeaving      `json:"leavings"`
	Mails         []DossierMail         `json:"mails"`
	Letters       []DossierLetter       `json:"letters"`
	Watching      []DossierWatching     `json:"watching"` // what they said about being watched
	Seen          []DossierSeen         `json:"seen"`     // what was seen while they agreed to that
	History       []DossierChange       `json:"history"`
}

// DossierPerson is what is known of the person.
type DossierPerson struct {
	ID         string          `json:"id"`
	Email      string          `json:"email"`
	Name       string          `json:"name"`
	Locale     string          `json:"locale"`
	Timezone   string          `json:"timezone"`
	Attributes json.RawMessage `json:"attributes"`
	CreatedAt  string          `json:"created_at"`
	UpdatedAt  string          `json:"updated_at"`
}

// DossierSubscription is where the person stands with a list.
type DossierSubscription struct {
	List        string `json:"list"`
	Status      string `json:"status"`
	ConfirmedAt string `json:"confirmed_at,omitempty"`
	LeftAt      string `json:"left_at,omitempty"`
	PausedUntil string `json:"paused_until,omitempty"`
	EveryDays   int64  `json:"every_days,omitempty"`
}

// DossierConsent is a row of the ledger.
type DossierConsent struct {
	List      string            `json:"list,omitempty"`
	Act       string            `json:"act"`
	Basis     string            `json:"basis,omitempty"`
	Source    string            `json:"source"`
	Wording   string            `json:"wording,omitempty"`
	StatedAt  string            `json:"stated_at"`
	Evidence  *consent.Evidence `json:"evidence,omitempty"`
	Recorded  string            `json:"recorded_at"`
	LedgerRow string            `json:"ledger_row"`
}

// DossierSuppression is a reason why the address is not mailed.
type DossierSuppression struct {
	List   string `json:"list,omitempty"`
	Reason string `json:"reason"`
	Source string `json:"source"`
	At     string `json:"at"`
}

// DossierLeaving is a no, with what was said about it.
type DossierLeaving struct {
	Source string `json:"source"`
	Reason string `json:"reason,omitempty"`
	Note   string `json:"note,omitempty"`
	LeftAt string `json:"left_at"`
	Undone string `json:"undone_at,omitempty"`
}

// DossierMail is a campaign's mail to the person.
type DossierMail struct {
	Campaign string `json:"campaign"`
	Subject  string `json:"subject"`
	Status   string `json:"status"`
	Reason   string `json:"reason,omitempty"`
	Answer   string `json:"answer,omitempty"`
	At       string `json:"at,omitempty"`
}

// DossierLetter is a one-off mail to the person.
type DossierLetter struct {
	Kind   string `json:"kind"`
	Status string `json:"status"`
	At     string `json:"at"`
}

// DossierWatching is a yes or a no to being watched.
type DossierWatching struct {
	Given   bool   `json:"given"`
	Source  string `json:"source"`
	Wording string `json:"wording,omitempty"`
	At      string `json:"at"`
}

// DossierSeen is a link that was followed, or a mail that was opened.
type DossierSeen struct {
	Campaign string `json:"campaign"`
	Link     int    `json:"link"` // 0: opened
	Times    int64  `json:"times"`
	First    string `json:"first_at"`
	Last     string `json:"last_at"`
}

// DossierChange is an entry of the journal about the person.
type DossierChange struct {
	At      string          `json:"at"`
	Actor   string          `json:"actor"`
	Verb    string          `json:"verb"`
	Details json.RawMessage `json:"details"`
}

// moment is a time as a dossier shows it; "" for never.
func moment(ms int64) string {
	if ms == 0 {
		return ""
	}
	return time.UnixMilli(ms).UTC().Format(time.RFC3339)
}

// Dossier gathers all that is held about a person.
func (s *Store) Dossier(ctx context.Context, subscriberID int64) (Dossier, error) {
	p, err := s.people.Subscriber(ctx, subscriberID)
	if err != nil {
		return Dossier{}, err
	}
	d := Dossier{
		MadeAt: moment(s.db.Now().UnixMilli()),
		Person: DossierPerson{
			ID: fmt.Sprint(p.ID), Email: p.Email, Name: p.Name, Locale: p.Locale, Timezone: p.Timezone, Attributes: json.RawMessage(p.Attributes),
			CreatedAt: moment(p.CreatedAt), UpdatedAt: moment(p.UpdatedAt),
		},
		Subscriptions: []DossierSubscription{}, Consents: []DossierConsent{}, Suppressions: []DossierSuppression{}, Leavings: []DossierLeaving{},
		Mails: []DossierMail{}, Letters: []DossierLetter{}, Watching: []DossierWatching{}, Seen: []DossierSeen{}, History: []DossierChange{},
	}
	names := map[int64]string{0: ""}
	name := func(list int64) string {
		if _, ok := names[list]; !ok {
			names[list] = fmt.Sprint(list)
			if l, err := s.people.List(ctx, list); err == nil {
				names[list] = l.Name
			}
		}
		return names[list]
	}
	for _, step := range []func(context.Context, *Dossier, subscribers.Subscriber, func(int64) string) error{s.dossierConsents, s.dossierChoices, s.dossierMails, s.dossierWatching} {
		if err := step(ctx, &d, p, name); err != nil {
			return Dossier{}, fmt.Errorf("dossier of %d: %w", subscriberID, err)
		}
	}
	return d, nil
}

func (s *Store) dossierConsents(ctx context.Context, d *Dossier, p subscribers.Subscriber, name func(int64) string) error {
	subs, err := s.people.Subscriptions(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, sub := range subs {
		d.Subscriptions = append(d.Subscriptions, DossierSubscription{
			List: name(sub.ListID), Status: string(sub.Status), ConfirmedAt: moment(sub.ConfirmedAt), LeftAt: moment(sub.LeftAt),
			PausedUntil: moment(sub.PausedUntil), EveryDays: sub.EveryDays,
		})
	}
	acts, err := consent.Of(ctx, s.q, p.ID)
	for _, a := range acts {
		d.Consents = append(d.Consents, DossierConsent{
			List: name(a.ListID), Act: string(a.Act), Basis: string(a.Basis), Source: a.Said.Source, Wording: a.Said.Wording,
			StatedAt: moment(a.StatedAt), Evidence: a.Evidence, Recorded: moment(a.RecordedAt), LedgerRow: fmt.Sprint(a.ID),
		})
	}
	return err
}

func (s *Store) dossierChoices(ctx context.Context, d *Dossier, p subscribers.Subscriber, name func(int64) string) error {
	noes, err := s.people.Suppressions(ctx, subscribers.SuppressionFilter{Key: p.Key, ListID: -1}, "", 0, 1000)
	if err != nil {
		return err
	}
	for _, n := range noes {
		d.Suppressions = append(d.Suppressions, DossierSuppression{List: name(n.ListID), Reason: n.Reason, Source: n.Source, At: moment(n.At)})
	}
	left, err := s.people.Leavings(ctx, subscribers.LeavingFilter{SubscriberID: p.ID}, 0, 1000)
	for _, l := range left {
		d.Leavings = append(d.Leavings, DossierLeaving{Source: l.Source, Reason: l.Reason, Note: l.Note, LeftAt: moment(l.LeftAt), Undone: moment(l.UndoneAt)})
	}
	return err
}

func (s *Store) dossierMails(ctx context.Context, d *Dossier, p subscribers.Subscriber, _ func(int64) string) error {
	var mails []struct {
		Name      string `db:"name"`
		Subject   string `db:"subject"`
		Status    string `db:"status"`
		Reason    string `db:"reason"`
		Answer    string `db:"answer"`
		BegunAt   int64  `db:"begun_at"`
		SettledAt int64  `db:"settled_at"`
	}
	err := s.q.Select(ctx, &mails, `SELECT c.name, c.subject, d.status, d.reason, d.answer, d.begun_at, d.settled_at
		FROM campaigns c JOIN deliveries d ON d.campaign_id = c.id AND d.subscriber_id = ? WHERE c.launched_at > 0 ORDER BY c.id`, p.ID)
	if err != nil {
		return err
	}
	for _, m := range mails {
		d.Mails = append(d.Mails, DossierMail{Campaign: m.Name, Subject: m.Subject, Status: m.Status, Reason: m.Reason, Answer: m.Answer, At: moment(max(m.BegunAt, m.SettledAt))})
	}
	if err := s.dossierArchived(ctx, d, p.ID); err != nil {
		return err
	}
	letters, err := s.senders.LettersTo(ctx, p.ID)
	if err != nil {
		return err
	}
	for _, l := range letters {
		d.Letters = append(d.Letters, DossierLetter{Kind: l.Kind, Status: l.Status, At: moment(l.CreatedAt)})
	}
	changes, err := journal.Of(ctx, s.q, "subscriber", p.ID)
	for _, c := range changes {
		d.History = append(d.History, DossierChange{At: moment(c.At), Actor: c.Actor, Verb: c.Verb, Details: json.RawMessage(c.Details)})
	}
	return err
}

//go:embed dossier.html
var dossierText string

// HTML is the dossier as a page, in English or, for fr, in French.
func (d Dossier) HTML(lang string) ([]byte, error) {
	t, err := template.New("dossier").Funcs(template.FuncMap{"tr": func(en, fr string) string {
		if lang == "fr" {
			return fr
		}
		return en
	}, "lang": func() string {
		if lang == "fr" {
			return "fr"
		}
		return "en"
	}, "text": func(raw json.RawMessage) string { return string(raw) }}).Parse(dossierText)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, d)
	return b.Bytes(), err
}

// Eraser removes what a package above holds about a person.
type Eraser func(ctx context.Context, tx *database.Tx, p subscribers.Subscriber) error

// AlsoErase adds what [Store.Erase] does; before the store is used.
func (s *Store) AlsoErase(e Eraser) { s.erasers = append(s.erasers, e) }

// Erase removes all that is held about a person, here and below: what they
// said and chose, the letters to them, and what still waits to be sent. The
// rows of past deliveries stay as numbers, so that the books go on to balance.
func (s *Store) Erase(ctx context.Context, tx *database.Tx, subscriberID int64, source string) error {
	if err := tx.No(ctx); err != nil {
		return err
	}
	if err := s.people.Hold(ctx, tx, []int64{subscriberID}); err != nil {
		return err
	}
	for _, erase := range s.erasers {
		p, err := s.people.With(tx).Subscriber(ctx, subscriberID)
		if err == nil {
			err = erase(ctx, tx, p)
		}
		if err != nil {
			return err
		}
	}
	if err := s.forgetInteractions(ctx, tx, subscriberID); err != nil {
		return err
	}
	if err := s.people.Erase(ctx, tx, subscriberID, source); err != nil {
		return err
	}
	if err := s.senders.EraseLetters(ctx, tx, subscriberID); err != nil {
		return err
	}
	return s.skipErased(ctx, tx, subscriberID)
}

// skipErased skips what waits for a person; what is in a batch meets the gate.
func (s *Store) skipErased(ctx context.Context, tx *database.Tx, subscriberID int64) error {
	var waiting []Delivery
	err := tx.Select(ctx, &waiting, `SELECT d.campaign_id, d.subscriber_id, d.status, d.lane FROM campaigns c JOIN deliveries d ON d.campaign_id = c.id AND d.subscriber_id = ?
		WHERE c.launched_at > 0 AND d.status IN ('queued', 'deferred') AND d.wait IN (1, 2)`, subscriberID)
	if err != nil {
		return err
	}
	now, t := s.db.Now().UnixMilli(), Tally{}
	for _, d := range waiting {
		n, err := tx.Exec(ctx, `UPDATE deliveries SET status = 'skipped', wait = 0, reason = 'erased', settled_at = ? WHERE campaign_id = ? AND subscriber_id = ? AND status = ? AND wait IN (1, 2)`,
			now, d.CampaignID, d.SubscriberID, string(d.Status))
		if err != nil {
			return err
		}
		lane, err := s.pace.With(tx).Lane(ctx, d.Lane)
		if err != nil {
			return err
		}
		t.move(d.CampaignID, lane.Provider, d.Status, Skipped, n)
	}
	if _, err := tx.Exec(ctx, `DELETE FROM mailed WHERE subscriber_id = ?`, subscriberID); err != nil {
		return err
	}
	return s.Count(ctx, tx, t)
}
