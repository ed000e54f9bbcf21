package worker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/sending/smtp"
	"facteur/throttle"
	"facteur/unsubscribe"
)

// letter writes a one-off mail by a sender; it fills in what is not given.
func (e *engine) letter(sender int64, to string, l sending.Letter) int64 {
	e.t.Helper()
	return e.letters(sender, l, to)[0]
}

func (e *engine) letters(sender int64, l sending.Letter, to ...string) []int64 {
	e.t.Helper()
	ids := make([]int64, len(to))
	e.write(func(ctx context.Context, tx *database.Tx) error {
		for i := range to {
			l.ID, l.SenderID, l.Email = e.db.NewID(), sender, to[i]
			if l.Kind == "" {
				l.Kind = sending.TestLetter
			}
			l.Message = fmt.Sprintf("From: hello@news.example.com\r\nTo: %s\r\nMessage-ID: <%d@news.example.com>\r\nSubject: hello\r\n\r\nHello.\r\n", to[i], l.ID)
			if err := e.senders.WriteLetter(ctx, tx, l); err != nil {
				return err
			}
			ids[i] = l.ID
		}
		return nil
	})
	e.scheduler.Nudge()
	return ids
}

// became waits until a letter is as wanted, for as long as a slow machine may take.
func (e *engine) became(id int64, want func(l sending.Letter) bool) sending.Letter {
	e.t.Helper()
	deadline := time.Now().Add(40 * time.Second)
	for {
		l, err := e.senders.Letter(context.Background(), id)
		if err != nil {
			e.t.Fatal(err)
		}
		if want(l) {
			return l
		}
		if time.Now().After(deadline) {
			l.Message = ""
			e.t.Fatalf("still %+v", l)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func status(want string) func(l sending.Letter) bool {
	return func(l sending.Letter) bool { return l.Status == want }
}

// senderOf is a sender of a domain of its own, over a relay at an address.
func (e *engine) senderOf(domain, address string) (sender, relay int64) {
	e.t.Helper()
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		e.t.Fatal(err)
	}
	port, _ := strconv.Atoi(text)
	e.write(func(ctx context.Context, tx *database.Tx) error {
		r, err := e.senders.CreateRelay(ctx, tx, sending.Relay{Name: domain, Host: host, Port: port, Security: smtp.None, MaxConnections: 2}, nil)
		if err != nil {
			return err
		}
		if _, err := e.senders.CreateDomain(ctx, tx, sending.Domain{Name: domain, Warmup: "none"}); err != nil {
			return err
		}
		v, err := e.senders.CreateSender(ctx, tx, sending.Sender{FromEmail: "hello@" + domain, FromName: "News", PostalAddress: "1 rue de la Poste, Lyon", RelayIDs: []int64{r.ID}})
		sender, relay = v.ID, r.ID
		return err
	})
	return sender, relay
}

// silentRelay takes connections and never says a word.
func silentRelay(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().String()
}

// Letters that cannot go keep nobody else's waiting, however many they are and
// whatever keeps them.
func TestLetters_ThatAreStuckStarveNoOthers(t *testing.T) {
	t.Parallel()
	const many = 300 // more than a page, and than may wait at once
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e, s := start(t, db), box(t, sandbox.Options{})
		for name, stick := range map[string]func(domain string, relay int64){
			"stopped": func(_ string, relay int64) { e.rest(relay, 10) },
			"rests":   func(_ string, relay int64) { e.rest(relay, 6) },
			"mute":    func(string, int64) {},
			"spent":   func(domain string, _ int64) { e.limit("domain:"+domain, throttle.Limit{PerHour: 1}) },
			"slow":    func(domain string, _ int64) { e.limit("domain:"+domain, throttle.Limit{PerMinute: 1}) },
			"full":    func(domain string, _ int64) { e.limit("domain:"+domain, throttle.Limit{Connections: 1}) },
			"warm":    func(domain string, _ int64) { e.warm(domain, 1) },
		} {
			address := s.Addr()
			switch name {
			case "mute":
				address = silentRelay(t)
			case "full":
				address = box(t, sandbox.Options{Latency: 2 * time.Second}).Addr()
			}
			sender, relay := e.senderOf(name+".example.com", address)
			stick(name+".example.com", relay)
			e.letters(sender, sending.Letter{Kind: sending.ConfirmationLetter}, addresses(name, many)...)
		}
		healthy := e.sender(s, 2)
		var ids []int64
		for _, kind := range []string{sending.ConfirmationLetter, sending.AccessLetter, sending.AlarmLetter, sending.TestLetter, sending.InvitationLetter} {
			ids = append(ids, e.letter(healthy, kind+"@example.org", sending.Letter{Kind: kind}))
		}
		for _, id := range ids {
			e.became(id, status("sent"))
		}
	})
}

// rest puts a relay to rest so many times in a row: the tenth stops it.
func (e *engine) rest(relay int64, times int) {
	e.t.Helper()
	for range times {
		e.write(func(ctx context.Context, tx *database.Tx) error {
			if _, err := tx.Exec(ctx, `UPDATE relays SET rest_until = 0 WHERE id = ?`, relay); err != nil {
				return err
			}
			_, err := e.senders.Rest(ctx, tx, relay, sending.Trouble{Reason: "of the test", Refused: true})
			return err
		})
	}
}

// warm lets a domain warm up with a cap for its first day.
func (e *engine) warm(domain string, cap int64) {
	e.t.Helper()
	e.write(func(ctx context.Context, tx *database.Tx) error {
		d, err := e.senders.With(tx).DomainByName(ctx, domain)
		if err != nil {
			return err
		}
		d.Warmup, d.Ramp, d.Timezone = sending.OwnWarmup, fmt.Sprintf("[%d]", cap), "UTC"
		_, err = e.senders.SetWarmup(ctx, tx, d)
		return err
	})
}

// A lost answer: the letter goes once more, as the same message, and no more.
func TestLetters_InDoubtAreSentOnceMore(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e, s := start(t, db), box(t, sandbox.Options{Keep: 10})
		sender := e.sender(s, 1)
		lost := e.letter(sender, "drop-before-answer@example.org", sending.Letter{Kind: sending.ConfirmationLetter})
		held := e.letter(sender, "drop-after-body@example.org", sending.Letter{Kind: sending.AccessLetter})
		l := e.became(lost, status("sent"))
		if got := s.Of("drop-before-answer@example.org"); l.Attempts != 2 || l.Doubts != 1 || len(got) != 1 || got[0].Count != 2 {
			t.Errorf("attempts %d, doubts %d; arrived %+v, want one message twice", l.Attempts, l.Doubts, got)
		}
		if m := s.Messages(); len(m) == 2 && !bytes.Equal(m[0].Raw[bytes.Index(m[0].Raw, []byte("From:")):], m[1].Raw[bytes.Index(m[1].Raw, []byte("From:")):]) {
			t.Errorf("two messages:\n%s\n%s", m[0].Raw, m[1].Raw)
		}
		if l := e.became(held, sending.Letter.Held); l.Status != "uncertain" || l.Attempts != 2 || l.Doubts != 2 {
			t.Errorf("%+v, want the second doubt to wait for a person", l)
		}
	})
}

// Five lost answers in a row rest the relay, whatever they belong to, and one
// that swallows holds its letters.
func TestLetters_OfARelayThatSwallowsAreHeld(t *testing.T) {
	t.Parallel()
	e, s := start(t, databasetest.New(t)), box(t, sandbox.Options{Rules: []sandbox.Rule{{Fraction: 1, Action: "swallow"}}})
	for _, id := range e.letters(e.sender(s, 1), sending.Letter{}, addresses("person", 6)...) {
		if l := e.became(id, sending.Letter.Held); l.Attempts > 2 {
			t.Errorf("%s was tried %d times", l.Email, l.Attempts)
		}
	}
	relays, err := e.senders.Relays(context.Background())
	if err != nil || relays[0].State == sending.Healthy || !relays[0].Doubting {
		t.Errorf("%+v, %v", relays[0].Health, err)
	}
}

// A process dies with a confirmation under way: another sends it once more.
func TestLetters_OfAProcessThatDiedArrive(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		ctx := context.Background()
		dead, err := database.Join(ctx, db, t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s := box(t, sandbox.Options{})
		e := start(t, db)
		e.stop() // nobody works while the other process takes its letter
		sender := e.sender(s, 1)
		id := e.letter(sender, "ada@example.org", sending.Letter{Kind: sending.ConfirmationLetter})
		if _, ok, err := e.senders.TakeLetter(ctx, id, dead.Session(), 7); err != nil || !ok {
			t.Fatal(ok, err)
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			begun, err := e.senders.BeginLetters(ctx, tx, []sending.LetterAttempt{{ID: id, Execution: 7, Number: 1}})
			if err == nil && !begun[0] {
				err = errors.New("not begun")
			}
			return err
		})
		if err := dead.Leave(ctx); err != nil {
			t.Fatal(err)
		}
		e = start(t, db)
		if l := e.became(id, status("sent")); l.Attempts != 2 || l.Doubts != 1 || s.Count().Accepted != 1 {
			t.Errorf("attempts %d, doubts %d, arrived %d", l.Attempts, l.Doubts, s.Count().Accepted)
		}
	})
}

// On a domain's first day of warm-up a form's confirmation goes ahead of a
// thousand invitations; those keep to their share, and campaigns go on.
func TestLetters_InvitationsKeepToTheirShare(t *testing.T) {
	t.Parallel()
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e, s := start(t, db), box(t, sandbox.Options{})
		sender := e.sender(s, 2)
		e.warm("news.example.com", 50)
		e.letters(sender, sending.Letter{Kind: sending.InvitationLetter}, addresses("invited", 1000)...)
		e.became(e.letter(sender, "form@example.org", sending.Letter{Kind: sending.ConfirmationLetter}), status("sent"))
		e.arrived(s, "invited", 10)
		campaign := e.launch(sender, e.list("all", addresses("person", 100)...))
		e.await(campaign, 40*time.Second, atLeast(38)) // 50, less 10 invitations, one letter, one place kept for letters
		e.became(e.letter(sender, "test@example.org", sending.Letter{Kind: sending.TestLetter}), status("sent"))
		e.arrived(s, "invited", 10)
		if n, err := e.campaigns.Counts(context.Background(), campaign); err != nil || n.Sent != 38 {
			t.Errorf("%+v, %v", n, err)
		}
	})
}

// So it is with what is counted by the hour.
func TestLetters_InvitationsTakeAShareOfALimit(t *testing.T) {
	t.Parallel()
	e, s := start(t, databasetest.New(t)), box(t, sandbox.Options{})
	sender := e.sender(s, 2)
	e.limit("domain:news.example.com", throttle.Limit{PerHour: 20})
	e.letters(sender, sending.Letter{Kind: sending.InvitationLetter}, addresses("invited", 100)...)
	e.arrived(s, "invited", 4)
	e.became(e.letter(sender, "form@example.org", sending.Letter{Kind: sending.ConfirmationLetter}), status("sent"))
	e.sent(e.launch(sender, e.list("all", addresses("person", 15)...)), 40*time.Second)
	e.arrived(s, "invited", 4)
}

// arrived waits until so many addresses of a prefix got mail, and finds no more.
func (e *engine) arrived(s *sandbox.Server, prefix string, want int) {
	e.t.Helper()
	count := func() (n int) {
		s.Deliveries(func(d sandbox.Delivery) bool {
			if strings.HasPrefix(d.Recipient, prefix) {
				n++
			}
			return true
		})
		return n
	}
	for end := time.Now().Add(40 * time.Second); count() < want && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
	if n := count(); n != want {
		e.t.Fatalf("%d of %s arrived, want %d", n, prefix, want)
	}
}

// A link to somebody's choices is good for an hour. A letter that has waited
// for longer, or that a wrong clock wrote, comes with a fresh one.
func TestLetters_ComeWithALinkThatIsGood(t *testing.T) {
	databasetest.Each(t, func(t *testing.T, db *database.DB) {
		e, s := start(t, db), box(t, sandbox.Options{Keep: 10})
		sender := e.sender(s, 2)
		list := e.list("all", "late@example.org", "early@example.org", "known@example.org")
		letters := map[string]sending.Letter{
			"late@example.org":  {Kind: sending.AccessLetter, CreatedAt: -2 * time.Hour.Milliseconds()},
			"early@example.org": {Kind: sending.AccessLetter, CreatedAt: 48 * time.Hour.Milliseconds()},
			"known@example.org": {Kind: sending.AlreadyLetter, CreatedAt: -72 * time.Hour.Milliseconds(), ListID: list},
		}
		ids, people := map[string]int64{}, map[string]int64{}
		for email := range letters {
			people[email] = e.person(email)
		}
		e.write(func(ctx context.Context, tx *database.Tx) error {
			for email, l := range letters {
				l.ID, l.SubscriberID, l.SenderID, l.Email, l.Message = e.db.NewID(), people[email], sender, email, "Subject: old\r\n\r\nOld.\r\n"
				if err := e.senders.WriteLetter(ctx, tx, l); err != nil {
					return err
				}
				if _, err := tx.Exec(ctx, `UPDATE letters SET created_at = created_at + ? WHERE id = ?`, l.CreatedAt, l.ID); err != nil {
					return err
				}
				ids[email] = l.ID
			}
			return nil
		})
		e.scheduler.Nudge()
		for _, id := range ids {
			e.became(id, status("sent"))
		}
		arrived := s.Messages()
		if len(arrived) != len(letters) {
			t.Fatalf("%d mails, want %d", len(arrived), len(letters))
		}
		for _, m := range arrived {
			email := m.To[0]
			text, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(m.Raw)))
			if err != nil {
				t.Fatal(err)
			}
			token := regexp.MustCompile(`/p/([\w-]+)`).FindStringSubmatch(string(text))
			if token == nil {
				t.Fatalf("%s: no link in\n%s", email, text)
			}
			if who, err := unsubscribe.ParseAccessToken(e.keys, token[1], e.db.Now()); err != nil || who != people[email] {
				t.Errorf("%s: the link's token %q: %v", email, token[1], err)
			}
		}
	})
}
