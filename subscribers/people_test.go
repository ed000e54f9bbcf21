package subscribers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/throttle"
	"facteur/worker"
)

// clock is moved by tests.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// parish is a list with all that looks after its people.
type parish struct {
	*testing.T
	clock     *clock
	db        *database.DB
	store     *subscribers.Store
	campaigns *campaign.Store
	senders   *sending.Store
	greeter   *subscribers.Greeter
	examiner  *subscribers.Examiner
	list      int64
}

func eachParish(t *testing.T, limits string, test func(p *parish)) {
	t.Helper()
	c := &clock{at: time.Now().Truncate(time.Second)}
	databasetest.EachAt(t, c.now, func(t *testing.T, db *database.DB) {
		c.at = time.Now().Truncate(time.Second) // each engine begins today
		keys, err := keyring.Open(t.Context(), db, "0123456789abcdef0123456789abcdef")
		if err != nil {
			t.Fatal(err)
		}
		p := &parish{T: t, clock: c, db: db, store: subscribers.NewStore(db).Keyed(keys), senders: sending.NewStore(db, keys)}
		p.campaigns = campaign.NewStore(db, p.store, p.senders, throttle.NewStore(db))
		l, err := subscribers.ParseSignupLimits(limits)
		if err != nil {
			t.Fatal(err)
		}
		p.greeter = subscribers.NewGreeter(db, p.store, worker.NewScribe(db, keys, p.senders, "https://m.example"), l, nil, quiet())
		p.examiner = subscribers.NewExaminer(db, p.store, p.campaigns.SentTo, p.campaigns.Erase, nil, nil, quiet())
		p.list = newList(t, db)
		p.do(func(ctx context.Context, tx *database.Tx) error {
			relay, err := p.senders.CreateRelay(ctx, tx, sending.Relay{Name: "out", Host: "127.0.0.1", Security: "none"}, nil)
			if err != nil {
				return err
			}
			if _, err := p.senders.CreateDomain(ctx, tx, sending.Domain{Name: "example.com"}); err != nil {
				return err
			}
			_, err = p.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "news@example.com", PostalAddress: "1 Street", RelayIDs: []int64{relay.ID}})
			return err
		})
		test(p)
	})
}

func (p *parish) do(change func(ctx context.Context, tx *database.Tx) error) {
	p.Helper()
	if err := p.db.Write(p.Context(), func(tx *database.Tx) error { return change(p.Context(), tx) }); err != nil {
		p.Fatal(err)
	}
}

func (p *parish) fill(emails ...string) {
	p.Helper()
	for _, e := range emails {
		if err := p.greeter.Accept(p.Context(), subscribers.Form{ListID: p.list, Email: e, IP: "192.0.2.1"}); err != nil {
			p.Fatal(err)
		}
	}
	if err := p.greeter.Greet(p.Context()); err != nil {
		p.Fatal(err)
	}
}

// person is asked for beside the transaction that a test may be in.
func (p *parish) person(email string) (s subscribers.Subscriber) {
	p.Helper()
	var err error
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		s, err = p.store.SubscriberByKey(p.Context(), parse(p.T, email).Key())
	}()
	<-asked
	if err != nil && !errors.Is(err, database.ErrNotFound) {
		p.Fatal(err)
	}
	return s
}

func (p *parish) status(email string) string {
	p.Helper()
	s, err := p.store.Subscription(p.Context(), p.list, p.person(email).ID)
	if errors.Is(err, database.ErrNotFound) {
		return ""
	}
	if err != nil {
		p.Fatal(err)
	}
	return string(s.Status)
}

// letters counts those to a person.
func (p *parish) letters(email string) int {
	p.Helper()
	all, err := p.senders.LettersTo(p.Context(), p.person(email).ID)
	if err != nil {
		p.Fatal(err)
	}
	return len(all)
}

// confirm is a person's yes to what was asked now.
func (p *parish) confirm(email string) (became string) {
	p.Helper()
	id := p.person(email).ID
	p.do(func(ctx context.Context, tx *database.Tx) (err error) {
		became, err = p.store.Confirm(ctx, tx, subscribers.Confirmation{ListID: p.list, SubscriberID: id, AskedAt: p.db.Now()})
		return err
	})
	return became
}

// accepted lets a relay accept all letters that wait, and writes what the
// recorder does then.
func (p *parish) accepted() {
	p.Helper()
	p.do(func(ctx context.Context, tx *database.Tx) error {
		var letters []sending.Letter
		if err := tx.Select(ctx, &letters, `SELECT kind, list_id, subscriber_id FROM letters WHERE wait = 2`); err != nil {
			return err
		}
		var asked []subscribers.Asking
		for _, l := range letters {
			if l.Asks() {
				asked = append(asked, subscribers.Asking{ListID: l.ListID, SubscriberID: l.SubscriberID})
			}
		}
		if _, err := tx.Exec(ctx, `UPDATE letters SET status = 'sent', wait = 0 WHERE wait = 2`); err != nil {
			return err
		}
		return p.store.Asked(ctx, tx, asked)
	})
}

func (p *parish) expire() (n int) {
	p.Helper()
	p.do(func(ctx context.Context, tx *database.Tx) (err error) {
		n, err = p.store.ExpirePending(ctx, tx, 100)
		return err
	})
	return n
}

func TestSignUp_ExpiresWhenNobodyConfirms(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.fill("ada@example.org", "bob@example.org", "eve@example.org")
		p.accepted()
		if got := p.confirm("bob@example.org"); got != subscribers.NowConfirmed {
			t.Error(got)
		}
		if got := p.confirm("bob@example.org"); got != subscribers.WasConfirmed {
			t.Error(got)
		}
		bob := p.person("bob@example.org").ID
		p.clock.move(24 * time.Hour)
		p.do(func(ctx context.Context, tx *database.Tx) error {
			_, err := p.store.Leave(ctx, tx, bob, []int64{p.list}, "page")
			return err
		})
		p.clock.move(24 * time.Hour)
		p.fill("bob@example.org", "eve@example.org") // eve asks again: her time runs anew
		p.accepted()
		if got := p.status("bob@example.org"); got != "pending" {
			t.Error(got)
		}
		p.clock.move(29 * 24 * time.Hour)
		if n := p.expire(); n != 1 || p.person("ada@example.org").ID != 0 || p.status("eve@example.org") != "pending" {
			t.Errorf("%d expired", n)
		}
		p.clock.move(2 * 24 * time.Hour)
		if n := p.expire(); n != 2 || p.status("bob@example.org") != "unsubscribed" || p.person("eve@example.org").ID != 0 {
			t.Errorf("%d expired, bob is %s", n, p.status("bob@example.org"))
		}
		if r, err := p.store.CheckLedger(t.Context(), nil); err != nil || len(r.Faults) != 0 || r.Unsealed != 10 {
			t.Errorf("%+v %v", r, err)
		}
		if got := p.confirm("bob@example.org"); got != subscribers.NotAwaited {
			t.Errorf("an old link: %s", got)
		}
	})
}

func TestInvitations_AreWrittenInTheirTurn(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		dir := t.TempDir()
		var body strings.Builder
		body.WriteString("email\n")
		for i := range 12 {
			fmt.Fprintf(&body, "p%d@example.org\n", i)
		}
		enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, "p3@example.org")}) // said yes before
		im := subscribers.NewImporter(p.db, p.store, dir, quiet())
		terms := subscribers.ImportTerms{Statement: consent.Statement{Source: "an old shop"}, Confirm: true}
		accepted, err := im.Accept(t.Context(), p.list, terms, strings.NewReader(body.String()), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		if done := finish(t, p.db, dir, accepted.ID); done.Created != 11 || done.Updated != 1 || !done.Confirm {
			t.Errorf("%+v", done)
		}
		if p.status("p3@example.org") != "confirmed" || p.status("p4@example.org") != "pending" {
			t.Error(p.status("p3@example.org"), p.status("p4@example.org"))
		}
		invite := func() {
			t.Helper()
			if err := p.greeter.Invite(t.Context(), 5, p.db.Write); err != nil {
				t.Fatal(err)
			}
		}
		invite()
		invite()
		if waiting, asked, err := p.store.Invitations(t.Context(), p.list); waiting != 11 || asked != 0 || err != nil {
			t.Errorf("%d wait, %d asked before any mail was accepted, %v", waiting, asked, err)
		}
		p.accepted()
		if waiting, asked, err := p.store.Invitations(t.Context(), p.list); waiting != 6 || asked != 5 || err != nil {
			t.Errorf("%d wait, %d asked, %v", waiting, asked, err)
		}
		p.clock.move(20 * 24 * time.Hour)
		invite()
		p.accepted()
		p.clock.move(15 * 24 * time.Hour) // the first were asked 35 days ago, the others 15
		if n := p.expire(); n != 5 {
			t.Errorf("%d expired", n)
		}
		invite()
		asked := 0
		for i := range 12 {
			asked += p.letters(fmt.Sprintf("p%d@example.org", i))
		}
		if asked != 6 { // the letters of the expired went with them
			t.Errorf("%d letters", asked)
		}
	})
}

func TestReconfirm_AsksOldYesesAgain(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, "old@example.org")}, subscribers.Person{Address: parse(t, "older@example.org")}, subscribers.Person{Address: parse(t, "left@example.org")})
		p.clock.move(24 * time.Hour)
		enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, "new@example.org")})
		left := p.person("left@example.org").ID
		p.do(func(ctx context.Context, tx *database.Tx) error {
			n, last, err := p.store.Reconfirm(ctx, tx, p.list, p.db.Now().Add(-time.Hour).UnixMilli(), 0, subscribers.LapseUnsubscribe)
			if n != 3 || last == 0 {
				t.Errorf("%d invited", n)
			}
			if err == nil {
				_, err = p.store.Leave(ctx, tx, left, []int64{p.list}, "page")
			}
			return err
		})
		if err := p.greeter.Invite(t.Context(), 100, p.db.Write); err != nil {
			t.Fatal(err)
		}
		if p.letters("old@example.org") != 1 || p.letters("left@example.org") != 0 || p.letters("new@example.org") != 0 || p.status("old@example.org") != "confirmed" {
			t.Error("wrong people were asked")
		}
		p.accepted()
		if got := p.confirm("old@example.org"); got != subscribers.NowConfirmed {
			t.Error(got)
		}
		p.clock.move(31 * 24 * time.Hour)
		if err := p.greeter.Lapse(t.Context(), p.db.Write); err != nil {
			t.Fatal(err)
		}
		if p.status("old@example.org") != "confirmed" || p.status("older@example.org") != "unsubscribed" || p.status("new@example.org") != "confirmed" {
			t.Error(p.status("old@example.org"), p.status("older@example.org"), p.status("new@example.org"))
		}
	})
}

func TestUndo_IsForAnHour(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		id := enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, "ada@example.org")})[0]
		leave := func(all bool) {
			p.do(func(ctx context.Context, tx *database.Tx) error {
				return p.store.LeaveBy(ctx, tx, subscribers.Leaving{SubscriberID: id, CampaignID: 7, Source: "page", AskedAt: p.db.Now().UnixMilli()}, []int64{p.list}, all)
			})
		}
		undo := func() error {
			return p.db.Write(t.Context(), func(tx *database.Tx) error {
				_, err := p.store.Undo(t.Context(), tx, id, 7)
				return err
			})
		}
		for _, all := range []bool{false, true} {
			leave(all)
			p.clock.move(59 * time.Minute)
			if err := undo(); err != nil || p.status("ada@example.org") != "confirmed" {
				t.Errorf("all %v: %v, %s", all, err, p.status("ada@example.org"))
			}
			if err := undo(); !errors.Is(err, database.ErrNotFound) {
				t.Errorf("twice: %v", err)
			}
		}
		leave(false)
		p.clock.move(61 * time.Minute)
		if err := undo(); !errors.Is(err, database.ErrNotFound) || p.status("ada@example.org") != "unsubscribed" {
			t.Errorf("late: %v", err)
		}
	})
}

func TestSignupLimits_LetNoSpanOfTimeHaveMore(t *testing.T) {
	eachParish(t, "form=10/1h", func(p *parish) {
		var taken []time.Time
		for i := range 400 {
			err := p.greeter.Accept(t.Context(), subscribers.Form{ListID: p.list, Email: fmt.Sprintf("p%d@example.org", i)})
			if err == nil {
				taken = append(taken, p.clock.now())
			} else if !errors.Is(err, subscribers.ErrSignupLimit) {
				t.Fatal(err)
			}
			p.clock.move(time.Duration(1+i%3) * time.Minute)
		}
		if len(taken) < 60 { // 13 hours
			t.Errorf("%d taken", len(taken))
		}
		for i := range taken {
			if i >= 10 && taken[i].Sub(taken[i-10]) < time.Hour {
				t.Errorf("11 within %s", taken[i].Sub(taken[i-10]))
			}
		}
	})
}

func TestParseSignupLimits_SaysWhatIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		"address=3/24h,network=20/1h,form=500/1h,domain=100/1h": "", "": "", " address=1/1m ,": "",
		"ip=3/1h": "want address", "address": "want a number", "address=0/1h": "want a number", "address=3/1s": "want a time", "address=3": "want a time", "address=x/1h": "want a number",
	} {
		if _, err := subscribers.ParseSignupLimits(text); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestHygiene_FindsAndProposes(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		old := subscribers.Person{Address: parse(t, "silent@example.org")}
		p.do(func(ctx context.Context, tx *database.Tx) error {
			yes := stated()
			yes.At = p.db.Now().AddDate(-4, 0, 0)
			_, err := p.store.Enroll(ctx, tx, p.list, []subscribers.Person{old}, yes, false)
			return err
		})
		enroll(t, p.db, p.list, subscribers.Person{Address: parse(t, "info@example.org")}, subscribers.Person{Address: parse(t, "bob@gmial.com")}, subscribers.Person{Address: parse(t, "ada@example.org")})
		var asked subscribers.HygieneReport
		p.do(func(ctx context.Context, tx *database.Tx) (err error) {
			asked, err = p.store.AskHygiene(ctx, tx, p.list)
			return err
		})
		if err := p.examiner.Examine(t.Context(), p.db.Write); err != nil {
			t.Fatal(err)
		}
		r, err := p.store.Hygiene(t.Context(), asked.ID)
		if err != nil || r.Status != "done" || r.People != 4 {
			t.Fatalf("%+v %v", r, err)
		}
		found := map[string]string{}
		for _, f := range r.Findings {
			found[f.Code] = fmt.Sprintf("%d %s", f.People, f.Proposal)
			if f.Code == subscribers.LikelyTypo && f.Meant["gmial.com"] != "gmail.com" {
				t.Errorf("%+v", f)
			}
		}
		if fmt.Sprint(found) != "map[role:1  three_years:1 erase typo:1 unsubscribe]" {
			t.Error(found)
		}
		p.clock.move(400 * 24 * time.Hour)
		for _, d := range []struct {
			finding, action string
			n               int64
		}{{"typo", "unsubscribe", 1}, {"three_years", "erase", 1}, {"silent", "reconfirm", 2}, {"three_years", "erase", 0}} {
			if n, next, err := p.examiner.Apply(t.Context(), p.list, d.finding, d.action, 0); n != d.n || next != 0 || err != nil {
				t.Errorf("%+v: %d %d %v", d, n, next, err)
			}
		}
		if p.status("bob@gmial.com") != "unsubscribed" || p.person("silent@example.org").ID != 0 || p.status("ada@example.org") != "confirmed" {
			t.Error("the decisions were not done")
		}
		for _, d := range [][2]string{{"role", "erase"}, {"x", "erase"}, {"typo", "x"}} {
			var invalid *subscribers.Invalid
			if _, _, err := p.examiner.Apply(t.Context(), p.list, d[0], d[1], 0); !errors.As(err, &invalid) {
				t.Errorf("%v: %v", d, err)
			}
		}
	})
}

func TestRetention_RemovesAndSaysWhat(t *testing.T) {
	eachParish(t, "", func(p *parish) {
		p.fill("ada@example.org", "bob@example.org")
		p.confirm("ada@example.org")
		p.confirm("bob@example.org")
		bob := p.person("bob@example.org").ID
		p.do(func(ctx context.Context, tx *database.Tx) error {
			err := p.store.LeaveBy(ctx, tx, subscribers.Leaving{SubscriberID: bob, CampaignID: 7, Source: "page", AskedAt: p.db.Now().UnixMilli()}, []int64{p.list}, false)
			if err != nil {
				return err
			}
			if err := p.store.Explain(ctx, tx, bob, 7, "too_often", "note"); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, `UPDATE letters SET status = 'sent', wait = 0`)
			return err
		})
		retain := func() string {
			t.Helper()
			removed, err := p.store.Retain(t.Context(), func(keep subscribers.Retention) []subscribers.Removal {
				return []subscribers.Removal{
					{What: "letter_bodies", Days: keep.LetterBodyDays, Remove: p.senders.ForgetBodies},
					{What: "letters", Days: keep.LetterDays, Remove: p.senders.ForgetLetters},
					{What: "unmatched", Days: keep.UnmatchedDays, Remove: feedback.NewStore(p.db).ForgetUnmatched},
				}
			}, p.campaigns.Erase, p.db.Write)
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprint(removed)
		}
		if got := retain(); got != "map[]" {
			t.Error(got)
		}
		p.clock.move(8 * 24 * time.Hour)
		if got := retain(); got != "map[letter_bodies:2]" {
			t.Error(got)
		}
		p.clock.move(83 * 24 * time.Hour)
		if got := retain(); got != "map[letters:2]" {
			t.Error(got)
		}
		p.clock.move(700 * 24 * time.Hour)
		if got := retain(); got != "map[leaving_notes:1]" {
			t.Error(got)
		}
		p.clock.move(400 * 24 * time.Hour)
		if got := retain(); got != "map[leavings:1 people:1]" || p.person("bob@example.org").ID != 0 {
			t.Error(got)
		}
		p.clock.move(700 * 24 * time.Hour)
		if got := retain(); got != "map[evidence:1]" {
			t.Error(got)
		}
		if r, err := p.store.CheckLedger(t.Context(), nil); err != nil || len(r.Faults) != 0 {
			t.Errorf("%+v %v", r, err)
		}
		p.do(func(ctx context.Context, tx *database.Tx) error {
			keep := subscribers.DefaultRetention()
			keep.LetterDays, keep.SunsetDays = 0, 7
			return p.store.SetRetention(ctx, tx, keep)
		})
		if keep, err := p.store.Retention(t.Context()); err != nil || keep.LetterDays != 0 || keep.SunsetDays != 7 || keep.EvidenceDays != 1825 {
			t.Errorf("%+v %v", keep, err)
		}
	})
}
