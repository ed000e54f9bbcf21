package api

import (
	"context"
	"log/slog"
	"net/http"

	"facteur/access"
	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/internal/keyring"
	"facteur/sending"
	"facteur/sending/doctor"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/web/call"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Options are what the calls speak to. All are needed, but for those that say otherwise.
type Options struct {
	DB        *database.DB
	Clock     *database.Watch // nil: it is trusted
	Access    *access.Store
	People    *subscribers.Store
	Importer  *subscribers.Importer
	Greeter   *subscribers.Greeter
	Examiner  *subscribers.Examiner
	Keys      *keyring.Keyring
	Sending   *sending.Store
	Pace      *throttle.Store
	Campaigns *campaign.Store
	Feedback  *feedback.Processor
	Webhooks  *journal.Webhooks
	DNS       *address.Resolver
	Log       *slog.Logger

	Version   string      // of the program, for the OpenAPI document; may be empty
	Self      Self        // of this process, for GET /status; may be empty
	PublicURL string      // base of the links in mails; launches want https, or loopback
	Origin    call.Origin // where calls come from, for the brute-force limit

	// ComposeTest makes the mail of a campaign for one address: as the person
	// would get it, or as somebody without a name when subscriberID is 0. The
	// letter's id stands in its Message-ID.
	ComposeTest func(ctx context.Context, c campaign.Campaign, to string, subscriberID, letterID int64) (message []byte, err error)
	// Preview shows a campaign as a person would get it; nobody in particular when subscriberID is 0.
	Preview func(ctx context.Context, c campaign.Campaign, subscriberID int64) (campaign.Preview, error)
	// LedgerDuty and RetentionDuty name the daily duties whose runs are shown.
	LedgerDuty, RetentionDuty string
	// ProbeRelay speaks to a relay, see [sending.Store.Probe].
	ProbeRelay func(ctx context.Context, relayID int64, to string) ([]smtp.Step, error)
	// CheckDomain examines a domain as others see it.
	CheckDomain func(ctx context.Context, domainID int64) (doctor.Report, error)
	// ProbeDomain mails a domain's return path, to see whether that comes home.
	ProbeDomain func(ctx context.Context, tx *database.Tx, domainID int64) error
	// Nudge is called after a change that gives the scheduler something to do; may be nil.
	Nudge func()
	// LettersNudge is called after letters were written; may be nil.
	LettersNudge func()
}

// calls holds the handlers.
type calls struct {
	Options
	routes map[string]route // by pattern
	mux    *http.ServeMux
	wrong  *call.Limiter // of tokens
}

// Prefix is where the calls are.
const Prefix = "/api/v1"

// wrongTokens is how often an address may come with a wrong token.
var wrongTokens = call.Rate{PerSecond: 10.0 / 60, Burst: 10}

// New is the door: /api, /openapi.json and /docs.
func New(opt Options) http.Handler {
	for _, nudge := range []*func(){&opt.Nudge, &opt.LettersNudge} {
		if *nudge == nil {
			*nudge = func() {}
		}
	}
	c := &calls{Options: opt, routes: map[string]route{}, mux: http.NewServeMux(), wrong: call.NewLimiter(wrongTokens, opt.DB.Now)}
	config := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: "facteur", Version: opt.Version, Description: introduction},
			Servers: []*huma.Server{{URL: Prefix}},
			Components: &huma.Components{
				Schemas:         huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer),
				SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer"}},
			},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{restate},
	}
	api := humago.NewWithPrefix(c.mux, Prefix, config)
	for _, r := range c.table() {
		r.register(api, r.operation(api))
		c.routes[r.method+" "+Prefix+r.path] = r
	}
	door := http.NewServeMux()
	c.document(door, api)
	door.HandleFunc("/api/", c.serve)
	return door
}

const introduction = `Lists, people, relays, domains, senders, campaigns: everything that facteur does.

Every call carries a token: ` + "`Authorization: Bearer …`" + `. A POST may carry an ` + "`Idempotency-Key`" + `: repeated within
24 hours it is answered as before, and done once. Ids are strings, times are RFC 3339 in UTC, errors are problem
documents (RFC 9457) with a stable ` + "`code`" + `. Lists come in pages: give a page's ` + "`next`" + ` as ` + "`cursor`" + `.

The same for programs: [openapi.json](/openapi.json)`
