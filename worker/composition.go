package worker

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"sync"
	"time"

	"facteur/campaign"
	"facteur/campaign/content"
	"facteur/internal/address"
	"facteur/internal/keyring"
	"facteur/subscribers"
	"facteur/unsubscribe"
)

// Composer makes the messages of campaigns, compiled once for each version.
type Composer struct {
	campaigns *campaign.Store
	people    *subscribers.Store
	keys      *keyring.Keyring
	publicURL string
	scratch   sync.Pool // of *scratch

	mu     sync.Mutex
	recent map[[2]int64]*composition // campaign and version
}

// composition is a compiled version with what its headers need.
type composition struct {
	version campaign.Version
	message *content.Message
	headers []unsubscribe.Headers // of each of the version's lists
}

// maxCompositions bounds the compiled versions kept in memory.
const maxCompositions = 32

// NewComposer links mails to publicURL, which has no slash at its end.
func NewComposer(campaigns *campaign.Store, people *subscribers.Store, keys *keyring.Keyring, publicURL string) *Composer {
	return &Composer{campaigns: campaigns, people: people, keys: keys, publicURL: publicURL, scratch: sync.Pool{New: func() any { return &scratch{} }}, recent: map[[2]int64]*composition{}}
}

// of is the composition of a campaign's frozen version.
func (c *Composer) of(ctx context.Context, campaignID, number int64) (*composition, error) {
	key := [2]int64{campaignID, number}
	c.mu.Lock()
	found := c.recent[key]
	c.mu.Unlock()
	if found != nil {
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
	made := &composition{version: v}
	for _, id := range v.ListIDs {
		l, err := c.people.List(ctx, id)
		if err != nil {
			return nil, err
		}
		made.headers = append(made.headers, unsubscribe.NewHeaders(l.ID, l.Name, v.Sender.Domain, v.CampaignID, v.Sender.ID))
	}
	boundary := "=_" + strconv.FormatInt(v.CampaignID, 36) + "_" + strconv.FormatInt(v.Number, 36)
	var err error
	made.message, err = content.Compile(content.Source{Subject: v.Subject, HTML: v.HTML, Text: v.Text}, campaign.Frame(v.Sender, boundary))
	if err != nil {
		return nil, fmt.Errorf("compile campaign %d: %w", v.CampaignID, err)
	}
	return made, nil
}

// scratch is what one person's message is made from; used again.
type scratch struct {
	content.Recipient
	headers    []byte
	attributes []byte
}

// recipient is everything about one person's message but its content. It lasts until the next use of s.
func (c *Composer) recipient(s *scratch, m *composition, ref unsubscribe.Reference, p *subscribers.Subscriber, wire string, lists int64, at time.Time) {
	leave := c.publicURL + "/u/" + ref.LeaveToken(c.keys)
	// The first of the lists by which the message comes; compile has seen to it that there is one.
	h := m.headers[min(bits.TrailingZeros64(uint64(lists)), len(m.headers)-1)]
	s.headers, s.attributes = h.Append(s.headers[:0], leave), append(s.attributes[:0], p.Attributes...)
	s.Recipient = content.Recipient{
		Email: wire, Name: p.Name, Locale: p.Locale, Attributes: s.attributes,
		UnsubscribeURL: leave, PreferencesURL: leave, WebURL: c.publicURL + "/w/" + ref.ViewToken(c.keys),
		MessageID: ref.MessageID(c.keys, m.version.Sender.Domain), Date: at, Headers: s.headers,
	}
}

// Test composes a campaign as it stands for a test letter: for a subscriber,
// or for nobody in particular when subscriberID is 0.
func (c *Composer) Test(ctx context.Context, cam campaign.Campaign, to string, subscriberID, letterID int64) ([]byte, error) {
	v := campaign.Version{CampaignID: cam.ID, Number: cam.Version, Subject: "[Test] " + cam.Subject, HTML: cam.HTML, Text: cam.Text, ListIDs: cam.ListIDs}
	var err error
	if v.Sender, err = c.campaigns.Sender(ctx, cam.SenderID); err != nil {
		return nil, err
	}
	made, err := c.compile(ctx, v)
	if err != nil {
		return nil, err
	}
	p := subscribers.Subscriber{Attributes: "{}"}
	if subscriberID != 0 {
		if p, err = c.people.Subscriber(ctx, subscriberID); err != nil {
			return nil, err
		}
	}
	a, err := address.Parse(to)
	if err != nil {
		return nil, err
	}
	var s scratch
	c.recipient(&s, made, unsubscribe.Reference{CampaignID: cam.ID, SubscriberID: subscriberID}, &p, a.Wire(), 1, time.Now())
	s.MessageID = unsubscribe.Reference{SubscriberID: letterID}.MessageID(c.keys, v.Sender.Domain)
	return made.message.Append(nil, &s.Recipient)
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
	return made.message.AppendHTML(nil, &s.Recipient)
}
