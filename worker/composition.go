package worker

import (
	"bytes"
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"sync"
	"time"

	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/subscribers"
	"facteur/unsubscribe"
)

// Composer makes the messages of campaigns, compiled once for each version.
type Composer struct {
	campaigns *campaign.Store
	people    *subscribers.Store
	keys      *keyring.Keyring
	publicURL string
	senders   *sending.Store
	signers   *sending.Signers
	scratch   sync.Pool // of *scratch

	mu     sync.Mutex
	recent map[[2]int64]*composition // campaign and version
}

// composition is a compiled version with what its headers need.
type composition struct {
	version campaign.Version
	message *content.Message
	headers []unsubscribe.Headers // of each of the version's lists
	madeAt  time.Time
	// home is the domain of addresses that are known to lead to us; "": none is.
	home string
	// translated are the version's other languages, by locale in lower case; nil: none.
	translated map[string]*content.Message
	// watched are the same for those who agreed to that; nil: nobody is watched.
	watched map[string]*content.Message
}

// whole is the message for a person, in their language.
func (m *composition) whole(p *subscribers.Subscriber) *content.Message {
	plain := m.in(p.Locale)
	if m.watched == nil || p.TrackingAt == 0 {
		return plain
	}
	for locale, t := range m.translated {
		if t == plain {
			return m.watched[locale]
		}
	}
	return m.watched[""]
}

// in is the message in a person's language: the locale's own, else its
// language's, else the campaign's.
func (m *composition) in(locale string) *content.Message {
	if m.translated == nil || locale == "" {
		return m.message
	}
	for name := strings.ToLower(strings.ReplaceAll(locale, "_", "-")); ; {
		if t := m.translated[name]; t != nil {
			return t
		}
		cut := strings.LastIndexByte(name, '-')
		if cut < 0 {
			return m.message
		}
		name = name[:cut]
	}
}

// compositionAge is how long a composition is used: what it knows of the way
// home may change.
const compositionAge = time.Hour

// maxCompositions bounds the compiled versions kept in memory.
const maxCompositions = 32

// NewComposer links mails to publicURL, which has no slash at its end.
func NewComposer(campaigns *campaign.Store, people *subscribers.Store, keys *keyring.Keyring, senders *sending.Store, publicURL string) *Composer {
	return &Composer{senders: senders, signers: sending.NewSigners(senders), campaigns: campaigns, people: people, keys: keys, publicURL: publicURL, scratch: sync.Pool{New: func() any { return &scratch{} }}, recent: map[[2]int64]*composition{}}
}

// of is the composition of a campaign's frozen version.
func (c *Composer) of(ctx context.Context, campaignID, number int64) (*composition, error) {
	key := [2]int64{campaignID, number}
	c.mu.Lock()
	found := c.recent[key]
	c.mu.Unlock()
	if found != nil && time.Since(found.madeAt) < compositionAge {
		return found, nil
	}
	v, err := c.campaigns.Version(ctx, campaignID, number)
	if err != nil {
		return nil, err
	}
	made, err := c.compile(ctx, v)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.recent) >= maxCompositions {
		clear(c.recent)
	}
	c.recent[key] = made
	return made, nil
}

func (c *Composer) compile(ctx context.Context, v campaign.Version) (*composition, error) {
	made := &composition{version: v, madeAt: time.Now()}
	domain, err := c.campaigns.Domain(ctx, v.Sender)
	if err != nil {
		return nil, err
	}
	complaints := ""
	if domain.Inbound(c.campaigns.Now()) {
		made.home, complaints = domain.ReturnPath, unsubscribe.ComplaintsAddress(c.keys, domain.ID, domain.ReturnPath)
	}
	for _, id := range v.ListIDs {
		l, err := c.people.List(ctx, id)
		if err != nil {
			return nil, err
		}
		made.headers = append(made.headers, unsubscribe.NewHeaders(l.ID, l.Name, v.Sender.Domain, v.CampaignID, v.Sender.ID, complaints))
	}
	boundary := "=_" + strconv.FormatInt(v.CampaignID, 36) + "_" + strconv.FormatInt(v.Number, 36)
	enclosed, err := c.campaigns.Enclosures(ctx, v.CampaignID)
	if err != nil {
		return nil, err
	}
	frame := campaign.TranslatedFrame(v.Sender, boundary, v.Language)
	frame.Enclosures = enclosed
	made.message, err = content.Compile(content.Source{Subject: v.Subject, HTML: v.HTML, Text: v.Text}, frame)
	if err != nil {
		return nil, fmt.Errorf("compile campaign %d: %w", v.CampaignID, err)
	}
	for locale, t := range v.Translations {
		frame := campaign.TranslatedFrame(v.Sender, boundary, locale)
		frame.Enclosures = enclosed
		m, err := content.Compile(content.Source{Subject: t.Subject, HTML: t.HTML, Text: t.Text}, frame)
		if err != nil {
			return nil, fmt.Errorf("compile campaign %d in %s: %w", v.CampaignID, locale, err)
		}
		if made.translated == nil {
			made.translated = map[string]*content.Message{}
		}
		made.translated[strings.ToLower(locale)] = m
	}
	return made, made.watch(v, frame, boundary)
}

// watch compiles what those get who agreed to be watched.
func (m *composition) watch(v campaign.Version, frame content.Frame, boundary string) error {
	if !v.Tracking || v.HTML == "" {
		return nil
	}
	m.watched = map[string]*content.Message{}
	html, _ := v.WatchedContents()
	for locale, text := range html {
		source, f := content.Source{Subject: v.Subject, HTML: text, Text: v.Text}, frame
		if locale != "" {
			t := v.Translations[locale]
			source.Subject, source.Text = t.Subject, t.Text
			f = campaign.TranslatedFrame(v.Sender, boundary, locale)
			f.Enclosures = frame.Enclosures
		}
		if source.Text == "" { // its text is made of what nobody watches
			plain := v.HTML
			if locale != "" {
				plain = v.Translations[locale].HTML
			}
			source.PlainHTML = plain
		}
		made, err := content.Compile(source, f)
		if err != nil {
			return fmt.Errorf("compile campaign %d, watched: %w", v.CampaignID, err)
		}
		m.watched[strings.ToLower(locale)] = made
	}
	return nil
}

// scratch is what one person's message is made from; used again.
type scratch struct {
	content.Recipient
	headers    []byte
	attributes []byte
	message    []byte // before it is signed
}

// recipient is everything about one person's message but its content. It lasts until the next use of s.
func (c *Composer) recipient(s *scratch, m *composition, ref unsubscribe.Reference, p *subscribers.Subscriber, wire string, lists int64, at time.Time) {
	leave := c.publicURL + "/u/" + ref.LeaveToken(c.keys)
	// The first of the lists by which the message comes; compile has seen to it that there is one.
	h := m.headers[min(bits.TrailingZeros64(uint64(lists)), len(m.headers)-1)]
	address := ""
	if m.home != "" {
		address = ref.LeaveAddress(c.keys, m.home)
	}
	s.headers, s.attributes = h.Append(s.headers[:0], leave, address), append(s.attributes[:0], p.Attributes...)
	s.Recipient = content.Recipient{
		Email: wire, Name: p.Name, Locale: p.Locale, Attributes: s.attributes,
		UnsubscribeURL: leave, PreferencesURL: leave, WebURL: c.publicURL + "/w/" + ref.ViewToken(c.keys),
		TrackURL:  c.trackURL(m, ref, p),
		MessageID: ref.MessageID(c.keys, m.version.Sender.Domain), Date: at, Headers: s.headers,
	}
}

// trackURL is the beginning of a watched person's links; "" of everybody else's.
func (c *Composer) trackURL(m *composition, ref unsubscribe.Reference, p *subscribers.Subscriber) string {
	if m.watched == nil || p.TrackingAt == 0 {
		return ""
	}
	return c.publicURL + "/t/" + ref.TrackToken(c.keys)
}

// Test composes a campaign as it stands for a test letter: for a subscriber,
// or for nobody in particular when subscriberID is 0.
func (c *Composer) Test(ctx context.Context, cam campaign.Campaign, to string, subscriberID, letterID int64) ([]byte, error) {
	cam.Subject = "[Test] " + cam.Subject
	translated := map[string]campaign.Content{}
	for locale, t := range cam.Translations {
		t.Subject = "[Test] " + t.Subject
		translated[locale] = t
	}
	cam.Translations = translated
	made, p, err := c.draft(ctx, cam, subscriberID)
	if err != nil {
		return nil, err
	}
	return c.letter(made, cam.ID, &p, to, letterID)
}

// Seed writes the copies of a campaign that begins for addresses of our own; a
// [campaign.Started].
func (c *Composer) Seed(ctx context.Context, tx *database.Tx, cam campaign.Campaign) error {
	in := &Composer{campaigns: c.campaigns.With(tx), people: c.people.With(tx), senders: c.senders.With(tx), keys: c.keys, publicURL: c.publicURL, signers: c.signers}
	sender, err := in.campaigns.Sender(ctx, cam.SenderID)
	if err != nil || len(sender.Seeds) == 0 {
		return err
	}
	made, p, err := in.draft(ctx, cam, 0)
	if err != nil {
		return err
	}
	for _, to := range sender.Seeds {
		id := c.campaigns.NewID()
		message, err := c.letter(made, cam.ID, &p, to, id)
		if err != nil {
			return err
		}
		l := sending.Letter{ID: id, Kind: sending.SeedLetter, CampaignID: cam.ID, SenderID: cam.SenderID, Email: to, Message: string(message)}
		if err := c.senders.WriteLetter(ctx, tx, l); err != nil {
			return err
		}
	}
	return nil
}

// letter is a campaign's mail for an address outside its run.
func (c *Composer) letter(made *composition, campaignID int64, p *subscribers.Subscriber, to string, letterID int64) ([]byte, error) {
	a, err := address.Parse(to)
	if err != nil {
		return nil, err
	}
	var s scratch
	c.recipient(&s, made, unsubscribe.Reference{CampaignID: campaignID, SubscriberID: p.ID}, p, a.Wire(), 1, c.campaigns.Now())
	s.MessageID = unsubscribe.Reference{SubscriberID: letterID}.MessageID(c.keys, made.version.Sender.Domain)
	return made.in(p.Locale).Append(nil, &s.Recipient)
}

// draft compiles a campaign as it stands, for a person or for nobody in particular.
func (c *Composer) draft(ctx context.Context, cam campaign.Campaign, subscriberID int64) (*composition, subscribers.Subscriber, error) {
	p := subscribers.Subscriber{Attributes: "{}"}
	cam, err := c.campaigns.Rendered(cam)
	if err != nil {
		return nil, p, err
	}
	v := campaign.Version{
		CampaignID: cam.ID, Number: cam.Version, Subject: cam.Subject, HTML: cam.HTML, Text: cam.Text, ListIDs: cam.ListIDs, Translations: cam.Translations, Language: cam.Language, Tracking: cam.Tracking,
	}
	if v.Sender, err = c.campaigns.Sender(ctx, cam.SenderID); err != nil {
		return nil, p, err
	}
	made, err := c.compile(ctx, v)
	if err != nil || subscriberID == 0 {
		return made, p, err
	}
	p, err = c.people.Subscriber(ctx, subscriberID)
	return made, p, err
}

// Sample composes a campaign as it stands as a person would get it, signed,
// with their links to leave and to the web version.
func (c *Composer) Sample(ctx context.Context, cam campaign.Campaign, p subscribers.Subscriber) (message []byte, leave, web string, err error) {
	made, _, err := c.draft(ctx, cam, 0)
	if err != nil {
		return nil, "", "", err
	}
	a, err := address.Parse(p.Email)
	if err != nil {
		return nil, "", "", err
	}
	var s scratch
	c.recipient(&s, made, unsubscribe.Reference{CampaignID: cam.ID, SubscriberID: p.ID}, &p, a.Wire(), 1, c.campaigns.Now())
	if message, err = made.in(p.Locale).Append(nil, &s.Recipient); err != nil {
		return nil, "", "", err
	}
	signer, err := c.signers.Of(ctx, made.version.Sender.Domain)
	if err == nil && signer != nil {
		message, err = signed(nil, signer, message, c.campaigns.Now())
	}
	return message, s.UnsubscribeURL, s.WebURL, err
}

// Preview shows a campaign as it stands to nobody but who asks.
func (c *Composer) Preview(ctx context.Context, cam campaign.Campaign, subscriberID int64) (campaign.Preview, error) {
	made, p, err := c.draft(ctx, cam, subscriberID)
	if err != nil {
		return campaign.Preview{}, err
	}
	email := p.Email
	if email == "" {
		email = "somebody@example.org"
	}
	var s scratch
	c.recipient(&s, made, unsubscribe.Reference{CampaignID: cam.ID, SubscriberID: subscriberID}, &p, email, 1, time.Now())
	s.UnsubscribeURL, s.PreferencesURL, s.WebURL = c.publicURL+"/u/preview", c.publicURL+"/u/preview", c.publicURL+"/w/preview"
	m := made.in(p.Locale)
	out := campaign.Preview{Locale: p.Locale}
	for _, part := range []struct {
		to   *string
		show func([]byte, *content.Recipient) ([]byte, error)
	}{{&out.Subject, m.AppendSubject}, {&out.HTML, m.AppendHTML}, {&out.Text, m.AppendText}} {
		text, err := part.show(nil, &s.Recipient)
		if err != nil {
			return campaign.Preview{}, err
		}
		*part.to = string(text)
	}
	return out, nil
}

// Web is the web version of one person's mail.
func (c *Composer) Web(ctx context.Context, ref unsubscribe.Reference) ([]byte, error) {
	cam, err := c.campaigns.Campaign(ctx, ref.CampaignID)
	if err != nil {
		return nil, err
	}
	d, err := c.campaigns.Delivery(ctx, ref.CampaignID, ref.SubscriberID)
	if err != nil {
		return nil, err
	}
	if d.Archived { // the day is not known any more
		d.FirstAt = cam.LaunchedAt
	}
	made, err := c.of(ctx, cam.ID, cam.Version)
	if err != nil {
		return nil, err
	}
	p, err := c.people.Subscriber(ctx, ref.SubscriberID)
	if err != nil {
		return nil, err
	}
	var s scratch
	c.recipient(&s, made, ref, &p, p.Email, d.Lists, time.UnixMilli(d.FirstAt))
	page, err := made.in(p.Locale).AppendHTML(nil, &s.Recipient)
	if err != nil {
		return nil, err
	}
	return c.unclosed(ctx, cam.ID, page)
}

// unclosed lets a page show pictures from here that a mail brings along.
func (c *Composer) unclosed(ctx context.Context, campaignID int64, page []byte) ([]byte, error) {
	files, err := c.campaigns.Files(ctx, campaignID)
	for _, f := range files {
		if f.Placed == campaign.Inline {
			page = bytes.ReplaceAll(page, []byte("cid:"+f.Name), []byte(c.publicURL+"/f/"+unsubscribe.FileToken(c.keys, f.ID)))
		}
	}
	return page, err
}
