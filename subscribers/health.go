package subscribers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/internal/panics"
	"facteur/subscribers/hygiene"
	"facteur/subscribers/segment"
)

// What a [HygieneReport] may find of a confirmed person.
const (
	RoleAddress = "role"        // an office, not a person
	LikelyTypo  = "typo"        // the domain is probably a slip of the pen
	ThrowAway   = "disposable"  // on the operator's list
	NoMail      = "no_mail"     // the domain takes no mail
	NeverSent   = "never_sent"  // on the list for long, and no mail ever went out
	Silent      = "silent"      // no sign of life for long
	ThreeYears  = "three_years" // no sign of life for so long that the data should go
)

// proposals are what a finding asks for.
func proposalFor(code string) string {
	switch code {
	case LikelyTypo, ThrowAway, NoMail:
		return "unsubscribe"
	case Silent, NeverSent:
		return "reconfirm"
	case ThreeYears:
		return "erase"
	}
	return ""
}

// Finding is a kind of trouble and whom it is about.
type Finding struct {
	Code     string            `json:"code"`
	People   int64             `json:"people"`
	Proposal string            `json:"proposal"`          // reconfirm, unsubscribe, erase; "": nothing
	Sample   []string          `json:"sample"`            // ids of the first few
	Domains  map[string]int64  `json:"domains,omitempty"` // of typo, disposable and no_mail: people by domain, the first 50
	Meant    map[string]string `json:"meant,omitempty"`   // of typo: domain to the one that was probably meant
}

// HygieneReport says how a list is.
type HygieneReport struct {
	ID         int64
	ListID     int64
	Status     string // running, done, failed
	Error      string
	CreatedAt  int64 // Unix milliseconds
	FinishedAt int64
	People     int64 // confirmed ones that were looked at
	Unknown    int64 // whose domain DNS did not tell about
	Findings   []Finding
}

type hygieneBody struct {
	Error    string    `json:"error,omitempty"`
	People   int64     `json:"people"`
	Unknown  int64     `json:"unknown"`
	Findings []Finding `json:"findings"`
}

// Examiner reports on lists, and does what was decided.
type Examiner struct {
	db         *database.DB
	store      *Store
	sent       SentTo
	erase      func(ctx context.Context, tx *database.Tx, subscriberID int64, source string) error
	resolver   *address.Resolver // nil: DNS is not asked
	disposable *hygiene.Disposable
	log        *slog.Logger
}

// NewExaminer asks DNS through resolver, which may be nil; sent and erase
// belong to whoever owns what was mailed.
func NewExaminer(db *database.DB, s *Store, sent SentTo, erase func(context.Context, *database.Tx, int64, string) error, r *address.Resolver, d *hygiene.Disposable, log *slog.Logger) *Examiner {
	return &Examiner{db: db, store: s, sent: sent, erase: erase, resolver: r, disposable: d, log: log}
}

// Ask begins a report; the leader writes it.
func (s *Store) AskHygiene(ctx context.Context, tx *database.Tx, listID int64) (HygieneReport, error) {
	if _, err := s.With(tx).List(ctx, listID); err != nil {
		return HygieneReport{}, err
	}
	r := HygieneReport{ID: s.db.NewID(), ListID: listID, Status: "running", CreatedAt: s.db.Now().UnixMilli()}
	_, err := tx.Exec(ctx, `INSERT INTO hygiene_reports (id, list_id, status, report, created_at, finished_at) VALUES (?, ?, 'running', '{}', ?, 0)`, r.ID, listID, r.CreatedAt)
	if err != nil {
		return HygieneReport{}, err
	}
	return r, journal.Write(ctx, tx, "examine", "list", listID, nil)
}

type hygieneRow struct {
	ID         int64  `db:"id"`
	ListID     int64  `db:"list_id"`
	Status     string `db:"status"`
	Report     string `db:"report"`
	CreatedAt  int64  `db:"created_at"`
	FinishedAt int64  `db:"finished_at"`
}

// Hygiene finds a report by id.
func (s *Store) Hygiene(ctx context.Context, id int64) (HygieneReport, error) {
	var row hygieneRow
	if err := s.q.Get(ctx, &row, `SELECT id, list_id, status, report, created_at, finished_at FROM hygiene_reports WHERE id = ?`, id); err != nil {
		return HygieneReport{}, fmt.Errorf("hygiene report %d: %w", id, err)
	}
	var body hygieneBody
	if err := json.Unmarshal([]byte(row.Report), &body); err != nil {
		return HygieneReport{}, fmt.Errorf("hygiene report %d: %w", id, err)
	}
	return HygieneReport{
		ID: row.ID, ListID: row.ListID, Status: row.Status, CreatedAt: row.CreatedAt, FinishedAt: row.FinishedAt,
		Error: body.Error, People: body.People, Unknown: body.Unknown, Findings: body.Findings,
	}, nil
}

// Examine writes the reports that were asked for.
func (e *Examiner) Examine(ctx context.Context, write func(context.Context, func(*database.Tx) error) error) error {
	var due []hygieneRow
	err := e.db.Select(ctx, &due, `SELECT id, list_id, status, report, created_at, finished_at FROM hygiene_reports WHERE status = 'running' ORDER BY id`)
	if err != nil {
		return err
	}
	for _, row := range due {
		body, err := e.examine(ctx, row.ListID)
		status := "done"
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, database.ErrUnavailable) {
				return err // another try will do
			}
			status, body.Error = "failed", err.Error()
			e.log.Error("hygiene report failed", "report", row.ID, "error", err)
		}
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		err = write(ctx, func(tx *database.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE hygiene_reports SET status = ?, report = ?, finished_at = ? WHERE id = ? AND status = 'running'`, status, string(text), e.db.Now().UnixMilli(), row.ID)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// examinePage is how many people are looked at in one go.
const examinePage = 1000

// examined is a confirmed person of a list as the examiner sees them.
type examined struct {
	id       int64
	key      string
	lastSign int64 // of life
	since    int64 // on the list
	sent     segment.Sent
}

// page reads the next confirmed people of a list.
func (e *Examiner) page(ctx context.Context, listID, after int64) ([]examined, error) {
	var page []examined
	var p examined
	var active, created int64
	err := e.db.Scan(ctx, `SELECT p.id, p.key, p.active_at, p.created_at, s.confirmed_at FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id
		WHERE s.list_id = ? AND s.subscriber_id > ? AND s.status = 'confirmed' ORDER BY s.subscriber_id LIMIT ?`, []any{listID, after, examinePage},
		[]any{&p.id, &p.key, &active, &created, &p.since}, func() {
			if p.lastSign = active; active == 0 {
				p.lastSign = max(created, p.since)
			}
			page = append(page, p)
		})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	ids := make([]int64, len(page))
	for i := range page {
		ids[i] = page[i].id
	}
	sent, err := e.sent(ctx, ids, segment.Needs{Sent: true})
	for i := range page {
		page[i].sent = sent[page[i].id]
	}
	return page, err
}

// judge says what there is about a person. mx is what is known of their domain.
func (e *Examiner) judge(p *examined, mx string, now time.Time, keep Retention) (codes []string) {
	at := strings.LastIndexByte(p.key, '@')
	local, domain := p.key[:at], p.key[at+1:]
	days := func(n int64) int64 { return now.AddDate(0, 0, -int(n)).UnixMilli() }
	if hygiene.Role(local) {
		codes = append(codes, RoleAddress)
	}
	if hygiene.Typo(domain) != "" {
		codes = append(codes, LikelyTypo)
	}
	if e.disposable.Has(domain) {
		codes = append(codes, ThrowAway)
	}
	if mx == "no" {
		codes = append(codes, NoMail)
	}
	if p.sent.Count == 0 && p.since < days(365) {
		codes = append(codes, NeverSent)
	}
	switch {
	case keep.SilentDays > 0 && p.lastSign < days(keep.SilentDays):
		codes = append(codes, ThreeYears)
	case keep.SunsetDays > 0 && p.lastSign < days(keep.SunsetDays):
		codes = append(codes, Silent)
	}
	return codes
}

func (e *Examiner) examine(ctx context.Context, listID int64) (hygieneBody, error) {
	body := hygieneBody{Findings: []Finding{}}
	keep, err := e.store.Retention(ctx)
	if err != nil {
		return body, err
	}
	mx, err := e.domains(ctx, listID)
	if err != nil {
		return body, err
	}
	found := map[string]*Finding{}
	now := e.db.Now()
	for after := int64(0); ; {
		page, err := e.page(ctx, listID, after)
		if err != nil {
			return body, err
		}
		if len(page) == 0 {
			break
		}
		for i := range page {
			p := &page[i]
			after = p.id
			domain := domainOf(p.key)
			if body.People++; mx[domain] == "unknown" {
				body.Unknown++
			}
			for _, code := range e.judge(p, mx[domain], now, keep) {
				f := found[code]
				if f == nil {
					f = &Finding{Code: code, Proposal: proposalFor(code), Sample: []string{}}
					found[code] = f
				}
				f.add(p.id, domain)
			}
		}
	}
	for _, code := range []string{RoleAddress, LikelyTypo, ThrowAway, NoMail, NeverSent, Silent, ThreeYears} {
		if f := found[code]; f != nil {
			body.Findings = append(body.Findings, *f)
		}
	}
	return body, nil
}

func (f *Finding) add(id int64, domain string) {
	if f.People++; len(f.Sample) < 20 {
		f.Sample = append(f.Sample, fmt.Sprint(id))
	}
	if f.Code != LikelyTypo && f.Code != ThrowAway && f.Code != NoMail {
		return
	}
	if f.Domains == nil {
		f.Domains = map[string]int64{}
	}
	if _, ok := f.Domains[domain]; !ok && len(f.Domains) >= 50 {
		return
	}
	if f.Domains[domain]++; f.Code == LikelyTypo {
		if f.Meant == nil {
			f.Meant = map[string]string{}
		}
		f.Meant[domain] = hygiene.Typo(domain)
	}
}

// Bounds of the questions that one report puts to DNS.
const (
	mostQuestions = 5000
	questionsOnce = 8
	mostSilence   = 32 // questions without an answer in a row: DNS is away
	mxKept        = 7 * 24 * time.Hour
)

// domains says of each domain on a list whether it takes mail: yes, no, or
// unknown. Well-known ones are not asked about, the others at most once a week.
func (e *Examiner) domains(ctx context.Context, listID int64) (map[string]string, error) {
	mx := map[string]string{}
	for after := int64(0); ; {
		var page []examined
		var p examined
		err := e.db.Scan(ctx, `SELECT p.id, p.key FROM subscriptions s JOIN subscribers p ON p.id = s.subscriber_id WHERE s.list_id = ? AND s.subscriber_id > ? AND s.status = 'confirmed' ORDER BY s.subscriber_id LIMIT ?`,
			[]any{listID, after, examinePage}, []any{&p.id, &p.key}, func() { page = append(page, p) })
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			break
		}
		for _, p := range page {
			after = p.id
			if d := domainOf(p.key); hygiene.WellKnown(d) {
				mx[d] = "yes"
			} else if mx[d] == "" {
				mx[d] = "unknown"
			}
		}
	}
	return mx, e.lookUp(ctx, mx)
}

// lookUp fills in what is remembered, and asks DNS about the rest.
func (e *Examiner) lookUp(ctx context.Context, mx map[string]string) error {
	var ask []string
	for d, known := range mx {
		if known == "unknown" {
			ask = append(ask, d)
		}
	}
	slices.Sort(ask)
	for part := range slices.Chunk(ask, 500) {
		query, args, err := database.In(`SELECT domain, mx FROM mail_domains WHERE checked_at > ? AND domain IN (?)`, e.db.Now().Add(-mxKept).UnixMilli(), part)
		if err != nil {
			return err
		}
		var d, known string
		if err := e.db.Scan(ctx, query, args, []any{&d, &known}, func() { mx[d] = known }); err != nil {
			return err
		}
	}
	ask = slices.DeleteFunc(ask, func(d string) bool { return mx[d] != "unknown" })
	if e.resolver == nil {
		return nil
	}
	answers := e.questions(ctx, ask[:min(len(ask), mostQuestions)])
	var sure []string
	for d, a := range answers {
		if mx[d] = a; a != "unknown" {
			sure = append(sure, d)
		}
	}
	slices.Sort(sure)
	return e.db.Write(ctx, func(tx *database.Tx) error {
		return tx.Each(ctx, `INSERT INTO mail_domains (domain, mx, checked_at) VALUES (?, ?, ?) ON CONFLICT (domain) DO UPDATE SET mx = excluded.mx, checked_at = excluded.checked_at`,
			len(sure), func(i int, p *database.Params) { p.Set(sure[i], answers[sure[i]], e.db.Now().UnixMilli()) }, nil)
	})
}

// questions asks about some domains, a few at once.
func (e *Examiner) questions(ctx context.Context, domains []string) map[string]string {
	answers := make(map[string]string, len(domains))
	var mu sync.Mutex
	var all panics.Group
	silence := 0
	next := make(chan string)
	for range questionsOnce {
		all.Go(func() {
			for d := range next {
				a := "unknown"
				all.Do(func() { a = e.takesMail(ctx, d) })
				mu.Lock()
				if answers[d] = a; a == "unknown" {
					silence++
				} else {
					silence = 0
				}
				mu.Unlock()
			}
		})
	}
	away := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return silence >= mostSilence
	}
	for _, d := range domains {
		if ctx.Err() != nil || away() {
			break
		}
		next <- d
	}
	close(next)
	all.Wait()
	return answers
}

// takesMail is what DNS says of a domain: an exchanger, or an address of its
// own (RFC 5321 section 5.1).
func (e *Examiner) takesMail(ctx context.Context, domain string) string {
	_, err := e.resolver.MX(ctx, domain)
	if errors.Is(err, address.ErrNoSuchName) {
		_, err = e.resolver.Host(ctx, domain)
	}
	switch {
	case err == nil:
		return "yes"
	case errors.Is(err, address.ErrNullMX), errors.Is(err, address.ErrNoSuchName):
		return "no"
	}
	return "unknown"
}

// mostApplied bounds what one call of Apply does.
const mostApplied = 10_000

// Apply does what was decided about a finding of a list, to those whom it is
// about by now: reconfirm, unsubscribe or erase. It begins behind the given
// person and returns how many it was about, and behind whom to go on; 0 at the end.
func (e *Examiner) Apply(ctx context.Context, listID int64, code, action string, after int64) (n, next int64, err error) {
	if proposalFor(code) == "" && code != RoleAddress {
		return 0, 0, &Invalid{"finding", fmt.Sprintf("%q is unknown", code)}
	}
	if action == "erase" && code != ThreeYears && code != Silent && code != NeverSent {
		return 0, 0, &Invalid{"action", "only who has been silent for long can be erased so"}
	}
	if action != "erase" && action != "reconfirm" && action != "unsubscribe" {
		return 0, 0, &Invalid{"action", fmt.Sprintf("%q is unknown: want reconfirm, unsubscribe or erase", action)}
	}
	keep, err := e.store.Retention(ctx)
	if err != nil {
		return 0, 0, err
	}
	mx := map[string]string{}
	if code == NoMail {
		if mx, err = e.domains(ctx, listID); err != nil {
			return 0, 0, err
		}
	}
	now := e.db.Now()
	for {
		page, err := e.page(ctx, listID, after)
		if err != nil || len(page) == 0 {
			return n, 0, err
		}
		var ids []int64
		for i := range page {
			after = page[i].id
			if slices.Contains(e.judge(&page[i], mx[domainOf(page[i].key)], now, keep), code) {
				ids = append(ids, page[i].id)
			}
		}
		if len(ids) == 0 {
			continue
		}
		if err := e.apply(ctx, listID, ids, code, action); err != nil {
			return n, after, err
		}
		if n += int64(len(ids)); n >= mostApplied {
			return n, after, nil
		}
	}
}

func (e *Examiner) apply(ctx context.Context, listID int64, ids []int64, code, action string) error {
	if action == "reconfirm" {
		return e.db.Write(ctx, func(tx *database.Tx) error {
			return e.store.With(tx).invite(ctx, tx, listID, ids, byReconfirm, LapseUnsubscribe)
		})
	}
	for part := range slices.Chunk(ids, erasePage) { // a no holds up all begins
		err := e.db.Write(ctx, func(tx *database.Tx) error {
			for _, id := range part {
				var err error
				if action == "erase" {
					err = e.erase(ctx, tx, id, "hygiene: "+code)
				} else {
					_, err = e.store.With(tx).Leave(ctx, tx, id, []int64{listID}, "hygiene: "+code)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
