package worker

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/unsubscribe"

	"golang.org/x/text/language"
)

//go:embed words
var letterWords embed.FS

// Scribe writes the letters that people's own doings call for: it asks for the
// yes of a double opt-in, and sends fresh links. Each is a row of the
// transaction that called for it. What a stranger typed into a form, but for
// the address, is never in a letter.
type Scribe struct {
	db        *database.DB
	keys      *keyring.Keyring
	senders   *sending.Store
	publicURL string
	words     []map[string]any // en, fr
	matcher   language.Matcher
}

// NewScribe links letters to publicURL, which has no slash at its end.
func NewScribe(db *database.DB, keys *keyring.Keyring, senders *sending.Store, publicURL string) *Scribe {
	s := &Scribe{db: db, keys: keys, senders: senders, publicURL: publicURL, matcher: language.NewMatcher([]language.Tag{language.English, language.French})}
	for _, name := range []string{"en", "fr"} {
		text, err := letterWords.ReadFile("words/" + name + ".json")
		words := map[string]any{}
		if err == nil {
			err = json.Unmarshal(text, &words)
		}
		if err != nil {
			panic("words/" + name + ".json: " + err.Error()) // embedded above
		}
		s.words = append(s.words, words)
	}
	return s
}

// Confirm implements [subscribers.Confirmer].
func (s *Scribe) Confirm(ctx context.Context, tx *database.Tx, l subscribers.List, p subscribers.Subscriber) error {
	r := unsubscribe.Request{SubscriberID: p.ID, ListID: l.ID, AskedAt: s.db.Now()}
	return s.write(ctx, tx, "confirm", sending.ConfirmationLetter, l, p, "/c/"+r.ConfirmToken(s.keys))
}

// Invite implements [subscribers.Confirmer].
func (s *Scribe) Invite(ctx context.Context, tx *database.Tx, l subscribers.List, p subscribers.Subscriber, why subscribers.Invited) error {
	r := unsubscribe.Request{SubscriberID: p.ID, ListID: l.ID, AskedAt: s.db.Now()}
	what := "invite"
	switch {
	case why.Again && why.Lapse == subscribers.LapseUnsubscribe:
		what = "renew"
	case why.Again:
		what = "again"
	}
	return s.write(ctx, tx, what, sending.InvitationLetter, l, p, "/c/"+r.ConfirmToken(s.keys))
}

// Already implements [subscribers.Confirmer].
func (s *Scribe) Already(ctx context.Context, tx *database.Tx, l subscribers.List, p subscribers.Subscriber) error {
	return s.write(ctx, tx, "already", sending.AlreadyLetter, l, p, s.access(p))
}

// Access sends a person a fresh link to their choices and their data.
func (s *Scribe) Access(ctx context.Context, tx *database.Tx, p subscribers.Subscriber) error {
	return s.write(ctx, tx, "access", sending.AccessLetter, subscribers.List{}, p, s.access(p))
}

// Relink composes a letter anew whose link would be dead when it comes, or
// soon after: it has waited for its relay, or was asked for by a clock that
// was wrong. Its Message-ID stays.
func (s *Scribe) Relink(ctx context.Context, people *subscribers.Store, l sending.Letter) (message string, err error) {
	p, err := people.Subscriber(ctx, l.SubscriberID)
	if err != nil {
		return "", err
	}
	what, list := "access", subscribers.List{}
	if l.Kind == sending.AlreadyLetter {
		what = "already"
		if list, err = people.List(ctx, l.ListID); err != nil {
			return "", err
		}
	}
	sender, err := s.senders.Sender(ctx, l.SenderID)
	if err != nil {
		return "", err
	}
	source, values, err := s.template(what, list, p, s.publicURL+s.access(p))
	if err != nil {
		return "", fmt.Errorf("compose a letter: %w", err)
	}
	return s.compose(l, sender, source, content.Recipient{Locale: p.Locale, Attributes: values})
}

// access is the path of a fresh link to a person's choices and data.
func (s *Scribe) access(p subscribers.Subscriber) string {
	return "/p/" + unsubscribe.AccessToken(s.keys, p.ID, s.db.Now())
}

// Ready implements [subscribers.Confirmer]; tx may be nil.
func (s *Scribe) Ready(ctx context.Context, tx *database.Tx, l subscribers.List) error {
	senders := s.senders
	if tx != nil {
		senders = senders.With(tx)
	}
	_, err := s.sender(ctx, senders, l)
	return err
}

// sender is as whom a list's letters go out.
func (s *Scribe) sender(ctx context.Context, senders *sending.Store, l subscribers.List) (sending.Sender, error) {
	if l.SenderID != 0 {
		return senders.Sender(ctx, l.SenderID)
	}
	all, err := senders.Senders(ctx)
	if err == nil && len(all) == 0 {
		err = subscribers.ErrNoSender
	}
	if err != nil {
		return sending.Sender{}, err
	}
	return all[0], nil
}

func (s *Scribe) write(ctx context.Context, tx *database.Tx, what, kind string, l subscribers.List, p subscribers.Subscriber, path string) error {
	sender, err := s.sender(ctx, s.senders.With(tx), l)
	if err != nil {
		return fmt.Errorf("write a letter: %w", err)
	}
	to, err := address.Parse(p.Email)
	if err != nil {
		return err
	}
	source, values, err := s.template(what, l, p, s.publicURL+path)
	if err != nil {
		return fmt.Errorf("compose a letter: %w", err)
	}
	return s.post(ctx, tx, sending.Letter{Kind: kind, SubscriberID: p.ID, ListID: l.ID}, sender, to, source, content.Recipient{Locale: p.Locale, Attributes: values})
}

// autoSubmitted keeps vacation programs from answering (RFC 3834).
const autoSubmitted = "Auto-Submitted: auto-generated\r\n"

// post composes a letter and writes it down, to go out once tx is committed.
// It fills in the letter and the recipient.
func (s *Scribe) post(ctx context.Context, tx *database.Tx, l sending.Letter, sender sending.Sender, to address.Address, source content.Source, r content.Recipient) error {
	l.ID, l.SenderID, l.Email = s.db.NewID(), sender.ID, to.Wire()
	var err error
	if l.Message, err = s.compose(l, sender, source, r); err != nil {
		return err
	}
	return s.senders.WriteLetter(ctx, tx, l)
}

func (s *Scribe) compose(l sending.Letter, sender sending.Sender, source content.Source, r content.Recipient) (message string, err error) {
	m, err := content.Compile(source, campaign.Frame(sender, fmt.Sprintf("=_letter_%d", l.ID)))
	if err != nil {
		return "", fmt.Errorf("compose a letter (%s): %w", l.Kind, err)
	}
	r.Email, r.Date, r.Headers = l.Email, s.db.Now(), []byte(autoSubmitted)
	r.MessageID = unsubscribe.Reference{SubscriberID: l.ID}.MessageID(s.keys, sender.Domain)
	text, err := m.Append(nil, &r)
	if err != nil {
		return "", fmt.Errorf("compose a letter (%s): %w", l.Kind, err)
	}
	return string(text), nil
}

// template is a letter's words in the person's language, and their values.
func (s *Scribe) template(what string, l subscribers.List, p subscribers.Subscriber, link string) (content.Source, []byte, error) {
	_, at, _ := s.matcher.Match(language.Make(p.Locale))
	words := s.words[at]
	subject, _ := words[what+"_subject"].(string)
	button, _ := words[what+"_button"].(string)
	htmlPart, textPart := letterParts(words, what, button)
	values, err := json.Marshal(map[string]string{"list": l.Name, "link": link, "days": fmt.Sprint(int(subscribers.PendingFor / (24 * time.Hour)))})
	return content.Source{Subject: subject, HTML: htmlPart, Text: textPart}, values, err
}

// letterParts are a letter's HTML and text as templates.
func letterParts(words map[string]any, what, button string) (htmlPart, textPart string) {
	var h, t strings.Builder
	h.WriteString(`<div style="font:16px/1.5 sans-serif;max-width:600px;margin:0 auto;padding:24px">`)
	paragraphs := func(name string) {
		list, _ := words[what+"_"+name].([]any)
		for _, p := range list {
			text, _ := p.(string)
			h.WriteString("<p>" + html.EscapeString(text) + "</p>")
			t.WriteString(text + "\n\n")
		}
	}
	paragraphs("before")
	h.WriteString(`<p><a href="{{ attributes.link }}" style="display:inline-block;padding:12px 24px;background:#9a3412;color:#ffffff;border-radius:8px;text-decoration:none">` +
		html.EscapeString(button) + `</a></p><p style="word-break:break-all"><a href="{{ attributes.link }}">{{ attributes.link }}</a></p>`)
	t.WriteString("{{ attributes.link }}\n\n")
	paragraphs("after")
	h.WriteString("</div>")
	return h.String(), t.String()
}

var _ subscribers.Confirmer = (*Scribe)(nil)
