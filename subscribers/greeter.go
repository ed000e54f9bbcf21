package subscribers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers/consent"

	"github.com/prometheus/client_golang/prometheus"
)

// Form is what somebody wrote into the form of a list, or into the one that
// asks for a link to one's own choices and data.
type Form struct {
	ListID    int64 // 0: for the link
	Email     string
	Name      string
	Locale    string
	Wording   Wording // as it was shown
	Page      string  // by which it came
	IP        string
	UserAgent string
}

// Greeter takes forms and looks at them a moment later. What a form is
// answered, and how long that takes, so cannot depend on who is known: the
// request only writes the form down.
type Greeter struct {
	db        *database.DB
	store     *Store
	confirmer Confirmer
	limits    SignupLimits
	log       *slog.Logger
	wake      chan struct{}
	after     func() // letters were written
	seen      *prometheus.CounterVec
}

// NewGreeter looks at nothing before [Greeter.Run]; after is called when
// letters were written, and may be nil.
func NewGreeter(db *database.DB, store *Store, c Confirmer, l SignupLimits, after func(), log *slog.Logger) *Greeter {
	if after == nil {
		after = func() {}
	}
	g := &Greeter{
		db: db, store: store, confirmer: c, limits: l, log: log, wake: make(chan struct{}, 1), after: after,
		seen: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "facteur_signups_total", Help: "Sign-ups by what became of them: asked, known, not_asked, limited, address_limited."}, []string{"outcome"}),
	}
	for _, outcome := range []string{"asked", "known", "not_asked", "limited", "address_limited"} {
		g.seen.WithLabelValues(outcome)
	}
	return g
}

// Metrics are what the greeter counts.
func (g *Greeter) Metrics() []prometheus.Collector { return []prometheus.Collector{g.seen} }

// Accept writes a form down; it is durable when this returns.
// [*address.Invalid] is no address at all, [ErrSignupLimit] a limit that has
// nothing to do with the address. To anything about the address the answer is
// nil.
func (g *Greeter) Accept(ctx context.Context, f Form) error {
	a, err := address.Parse(f.Email)
	if err != nil {
		return err
	}
	err = g.db.Write(ctx, func(tx *database.Tx) error {
		if err := g.store.allow(ctx, tx, g.limits, f.ListID, f.IP, a.Key()); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO signups (id, list_id, email, name, locale, wording, version, form, ip, user_agent, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			g.db.NewID(), f.ListID, a.String(), plainName(f.Name), f.Locale, f.Wording.Text, f.Wording.Version, clip(f.Page, 500), f.IP, clip(f.UserAgent, 300), g.db.Now().UnixMilli())
		return err
	})
	switch {
	case errors.Is(err, errAddressLimited):
		g.seen.WithLabelValues("address_limited").Inc()
		return nil
	case errors.Is(err, ErrSignupLimit):
		g.seen.WithLabelValues("limited").Inc()
		return err
	case err != nil:
		return fmt.Errorf("take a form: %w", err)
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
	return nil
}

// SignUp is [Store.SignUp] within the limits, for sign-ups by an operator's
// own program. limited tells that no mail goes out because of one.
func (g *Greeter) SignUp(ctx context.Context, tx *database.Tx, in SignUp) (out SignedUp, limited bool, err error) {
	in.Confirmer = g.confirmer
	if err := tx.Yes(ctx); err != nil {
		return SignedUp{}, false, err
	}
	err = g.store.allow(ctx, tx, g.limits, in.ListID, in.Evidence.IP, in.Person.Address.Key())
	if errors.Is(err, errAddressLimited) || errors.Is(err, ErrSignupLimit) {
		return SignedUp{}, true, ErrSignupLimit
	}
	if err != nil {
		return SignedUp{}, false, err
	}
	out, err = g.store.SignUp(ctx, tx, in)
	return out, false, err
}

// greetPoll is for forms that another process took and did not come to.
const greetPoll = 2 * time.Second

// Run looks at forms until ctx ends.
func (g *Greeter) Run(ctx context.Context) {
	poll := time.NewTicker(greetPoll)
	defer poll.Stop()
	for {
		if err := g.Greet(ctx); err != nil && ctx.Err() == nil {
			g.log.Error("sign-ups wait", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-g.wake:
		case <-poll.C:
		}
	}
}

// waitingForm is a row of signups.
type waitingForm struct {
	ID        int64  `db:"id"`
	ListID    int64  `db:"list_id"`
	Email     string `db:"email"`
	Name      string `db:"name"`
	Locale    string `db:"locale"`
	Wording   string `db:"wording"`
	Version   int64  `db:"version"`
	Form      string `db:"form"`
	IP        string `db:"ip"`
	UserAgent string `db:"user_agent"`
	At        int64  `db:"at"`
}

// Greet looks at all forms that wait. One that cannot be dealt with is left
// for later and does not hold up the others.
func (g *Greeter) Greet(ctx context.Context) error {
	var failed error
	for after := int64(0); ; {
		var forms []waitingForm
		err := g.db.Select(ctx, &forms, `SELECT id, list_id, email, name, locale, wording, version, form, ip, user_agent, at FROM signups WHERE id > ? ORDER BY id LIMIT 100`, after)
		if err != nil || len(forms) == 0 {
			return errors.Join(failed, err)
		}
		for _, f := range forms {
			if err := g.greet(ctx, f); err != nil {
				failed = errors.Join(failed, err)
			}
			after = f.ID
		}
		g.after()
	}
}

func (g *Greeter) greet(ctx context.Context, f waitingForm) error {
	ctx = journal.WithActor(ctx, "form")
	outcome := ""
	err := g.db.Write(ctx, func(tx *database.Tx) error {
		outcome = ""
		if err := tx.Yes(ctx); err != nil {
			return err
		}
		n, err := tx.Exec(ctx, `DELETE FROM signups WHERE id = ?`, f.ID)
		if err != nil || n == 0 {
			return err // another process has dealt with it
		}
		person, err := ParsePerson(f.Email, f.Name, f.Locale)
		if err != nil {
			return err
		}
		if f.ListID == 0 {
			outcome, err = g.access(ctx, tx, person)
			return err
		}
		done, err := g.store.SignUp(ctx, tx, SignUp{
			ListID: f.ListID, Person: person, Wording: Wording{Text: f.Wording, Version: f.Version, Locale: f.Locale}, Source: "form",
			Evidence: consent.Evidence{IP: f.IP, UserAgent: f.UserAgent, Form: f.Form}, At: time.UnixMilli(f.At), Confirmer: g.confirmer,
		})
		switch {
		case errors.Is(err, database.ErrNotFound): // the list is gone
			err, outcome = nil, "not_asked"
		case done.Asked:
			outcome = "asked"
		case done.Status == Confirmed:
			outcome = "known"
		default:
			outcome = "not_asked"
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("sign-up %d: %w", f.ID, err)
	}
	if outcome != "" {
		g.seen.WithLabelValues(outcome).Inc()
	}
	return nil
}

// access sends the link, if there is somebody to send it to.
func (g *Greeter) access(ctx context.Context, tx *database.Tx, p Person) (outcome string, err error) {
	found, err := g.store.With(tx).SubscriberByKey(ctx, p.Address.Key())
	if errors.Is(err, database.ErrNotFound) {
		return "not_asked", nil
	}
	if err != nil {
		return "", err
	}
	return "known", g.confirmer.Access(ctx, tx, found)
}

// plainName is a name fit for a header, no longer than may be.
func plainName(name string) string {
	return clip(plain([]byte(strings.ToValidUTF8(name, ""))), longestName)
}

// clip cuts a text to so many characters and drops controls.
func clip(text string, most int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, text)
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most])
	}
	return text
}
