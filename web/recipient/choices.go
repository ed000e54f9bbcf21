package recipient

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/subscribers"
	"facteur/subscribers/consent"
	"facteur/unsubscribe"
)

// askLink shows the form by which anybody may have a fresh link sent to an address.
func (d *door) askLink(w http.ResponseWriter, r *http.Request) {
	words := d.words.of(r, r.URL.Query().Get("lang"))
	d.showAsk(w, words, http.StatusOK, "")
}

func (d *door) showAsk(w http.ResponseWriter, words words, status int, fault string) {
	d.show(w, status, page{
		Kind: "ask", W: words, Other: d.words.other(words.lang()), Title: words["ask_title"], Heading: words["ask_heading"], Text: words["ask_text"], Error: fault,
	})
}

// sendLink answers alike, whoever is known.
func (d *door) sendLink(w http.ResponseWriter, r *http.Request) {
	form := readForm(w, r)
	words := d.words.of(r, form.Get("lang"))
	a, err := address.Parse(form.Get("email"))
	var wrong *address.Invalid
	switch {
	case errors.As(err, &wrong):
		d.showAsk(w, words, http.StatusUnprocessableEntity, words.with("bad_address", "reason", wrong.Detail))
		return
	case form.Get("website") == "":
		err = d.sendAccess(r, a.String())
	}
	switch {
	case errors.Is(err, subscribers.ErrSignupLimit):
		w.Header().Set("Retry-After", strconv.Itoa(int(time.Hour.Seconds())))
		d.show(w, http.StatusTooManyRequests, page{Kind: "note", W: words, Title: words["later_title"], Heading: words["later_title"], Text: words["too_many"]})
	case err != nil:
		d.fail(w, r, err)
	default:
		d.note(w, http.StatusOK, words, "access")
	}
}

// sendAccess asks for the letter with the link. Nobody is told whether it goes
// out: it is looked at later who has the address.
func (d *door) sendAccess(r *http.Request, email string) error {
	if d.Greeter == nil {
		return nil
	}
	return d.Greeter.Accept(r.Context(), subscribers.Form{Email: email, Page: r.Pattern, IP: d.Origin.Address(r).String(), UserAgent: r.UserAgent()})
}

// write is a change made by the person themselves.
func (d *door) write(ctx context.Context, change func(context.Context, *database.Tx) error) error {
	ctx = journal.WithActor(ctx, "recipient")
	return d.DB.Write(ctx, func(tx *database.Tx) error { return change(ctx, tx) })
}

// holder reads a fresh link's token; it has answered when ok is false.
func (d *door) holder(w http.ResponseWriter, r *http.Request) (p subscribers.Subscriber, ok bool) {
	id, err := unsubscribe.ParseAccessToken(d.Keys, r.PathValue("token"), d.DB.Now())
	if err == nil {
		p, err = d.People.Subscriber(r.Context(), id)
	} else {
		err = database.ErrNotFound
	}
	switch {
	case errors.Is(err, database.ErrNotFound):
		d.missing(w, r)
	case err != nil:
		d.fail(w, r, err)
	}
	return p, err == nil
}

// choices shows what the person has chosen. It changes nothing.
func (d *door) choices(w http.ResponseWriter, r *http.Request) {
	p, ok := d.holder(w, r)
	if !ok {
		return
	}
	d.showChoices(w, r, p, d.words.of(r, asked(r.URL.Query().Get("lang"), p.Locale)), "")
}

// asked is the first language that was asked for.
func asked(languages ...string) string {
	for _, l := range languages {
		if l != "" {
			return l[:min(2, len(l))]
		}
	}
	return ""
}

func (d *door) showChoices(w http.ResponseWriter, r *http.Request, p subscribers.Subscriber, words words, done string) {
	ctx := r.Context()
	subs, err := d.People.Subscriptions(ctx, p.ID)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	next := page{
		Kind: "choices", W: words, Other: d.words.other(words.lang()), Title: words["prefs_title"], Heading: words["prefs_heading"],
		Tracks: p.TrackingAt > 0, Text: words.with("prefs_for", "email", p.Email), Error: done, Self: d.base + "/p/" + r.PathValue("token"),
	}
	lists := make([]int64, len(subs))
	every, paused := int64(0), int64(0)
	for i, s := range subs {
		lists[i] = s.ListID
		every = max(every, s.EveryDays)
		if s.Status == subscribers.Confirmed && s.PausedUntil > d.DB.Now().UnixMilli() {
			paused = max(paused, s.PausedUntil)
		}
	}
	if next.Lists, err = d.shown(ctx, words, p.ID, lists); err == nil {
		next.Complained, err = d.People.Complained(ctx, p.Key)
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if paused > 0 {
		next.PausedUntil = words.with("prefs_unpause", "date", words.date(paused))
	}
	for _, days := range []int64{0, 7, 14, 30} {
		text := strconv.FormatInt(days, 10)
		next.Often = append(next.Often, option{text, words["often_"+text], days == every})
	}
	next.Languages = []option{{"", words["language_any"], p.Locale == ""}, {"en", "English", asked(p.Locale) == "en"}, {"fr", "Français", asked(p.Locale) == "fr"}}
	d.show(w, http.StatusOK, next)
}

// chosen does what a button of the page says.
func (d *door) chosen(w http.ResponseWriter, r *http.Request) {
	p, ok := d.holder(w, r)
	if !ok {
		return
	}
	form := readForm(w, r)
	words := d.words.of(r, asked(form.Get("lang"), p.Locale))
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), leaveIn)
	defer cancel()
	subs, err := d.People.Subscriptions(ctx, p.ID)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	var lists []int64
	for _, s := range subs {
		lists = append(lists, s.ListID)
	}
	switch form.Get("do") {
	case "erase":
		d.erase(ctx, w, r, p, words, form)
		return
	case "pause":
		err = d.OptOut.Pause(ctx, p.ID, lists)
	case "unpause":
		err = d.write(ctx, func(ctx context.Context, tx *database.Tx) error { return d.People.Unpause(ctx, tx, p.ID, lists) })
	case "all":
		err = d.OptOut.Leave(ctx, unsubscribe.Word{Reference: unsubscribe.Reference{SubscriberID: p.ID}, Source: "preferences", All: true}, lists)
	case "save":
		err = d.save(ctx, r, p, subs, form)
	default:
		d.missing(w, r)
		return
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if p, err = d.People.Subscriber(ctx, p.ID); err != nil {
		d.fail(w, r, err)
		return
	}
	words = d.words.of(r, asked(form.Get("language"), form.Get("lang"))) // the one just chosen
	d.showChoices(w, r, p, words, words["prefs_saved"])
}

// save takes over the lists, the frequency and the language of the form.
func (d *door) save(ctx context.Context, r *http.Request, p subscribers.Subscriber, subs []subscribers.Subscription, form url.Values) error {
	var leave []int64
	var join []int64
	complained, err := d.People.Complained(ctx, p.Key)
	if err != nil {
		return err
	}
	for _, s := range subs {
		wanted := slices.Contains(form["list"], strconv.FormatInt(s.ListID, 10))
		switch {
		case complained: // the page did not ask
		case !wanted && s.Status != subscribers.Unsubscribed:
			leave = append(leave, s.ListID)
		case wanted && s.Status != subscribers.Confirmed:
			join = append(join, s.ListID)
		}
	}
	if err := d.OptOut.Leave(ctx, unsubscribe.Word{Reference: unsubscribe.Reference{SubscriberID: p.ID}, Source: "preferences"}, leave); err != nil {
		return err
	}
	often, err := strconv.ParseInt(form.Get("often"), 10, 64)
	return d.write(ctx, func(ctx context.Context, tx *database.Tx) error {
		for _, list := range join {
			yes := subscribers.Confirmation{
				ListID: list, SubscriberID: p.ID, AskedAt: d.DB.Now(),
				Evidence: consent.Evidence{IP: d.Origin.Address(r).String(), UserAgent: clipped(r.UserAgent(), 300), Form: "/p/"},
			}
			if err := d.People.Rejoin(ctx, tx, yes); err != nil {
				return err
			}
		}
		if err == nil {
			if err := d.People.Frequency(ctx, tx, p.ID, often); err != nil {
				return err
			}
		}
		if err := d.watch(ctx, tx, r, p, form); err != nil {
			return err
		}
		var invalid *subscribers.Invalid
		if err := d.People.Speak(ctx, tx, p.ID, form.Get("language")); err != nil && !errors.As(err, &invalid) {
			return err
		}
		return nil
	})
}

// watch takes over whether the person lets us see what they open and follow.
func (d *door) watch(ctx context.Context, tx *database.Tx, r *http.Request, p subscribers.Subscriber, form url.Values) error {
	if form.Get("track") == "" {
		return d.Campaigns.Unwatch(ctx, tx, p.ID, "preferences")
	}
	return d.People.Track(ctx, tx, p.ID, true, "preferences", d.words.of(r, asked(form.Get("lang"), p.Locale))["prefs_track"])
}

// erase removes all that is held about the person who holds the link.
func (d *door) erase(ctx context.Context, w http.ResponseWriter, r *http.Request, p subscribers.Subscriber, words words, form url.Values) {
	if form.Get("sure") != "yes" {
		d.showChoices(w, r, p, words, "")
		return
	}
	err := d.write(ctx, func(ctx context.Context, tx *database.Tx) error {
		return d.Campaigns.Erase(ctx, tx, p.ID, "the person, by a fresh link")
	})
	if err != nil {
		d.fail(w, r, err)
		return
	}
	d.note(w, http.StatusOK, words, "erased")
}

// dataJSON is all that is held about the person, as a file.
func (d *door) dataJSON(w http.ResponseWriter, r *http.Request) {
	p, ok := d.holder(w, r)
	if !ok {
		return
	}
	dossier, err := d.Campaigns.Dossier(r.Context(), p.ID)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	text, err := json.MarshalIndent(dossier, "", "  ")
	if err != nil {
		d.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Content-Disposition", `attachment; filename="my-data.json"`)
	_, _ = w.Write(append(text, '\n'))
}

// dataPage is the same for reading.
func (d *door) dataPage(w http.ResponseWriter, r *http.Request) {
	p, ok := d.holder(w, r)
	if !ok {
		return
	}
	dossier, err := d.Campaigns.Dossier(r.Context(), p.ID)
	if err == nil {
		var text []byte
		if text, err = dossier.HTML(asked(r.URL.Query().Get("lang"), p.Locale)); err == nil {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write(text)
			return
		}
	}
	d.fail(w, r, err)
}
