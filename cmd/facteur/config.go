package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"time"

	"facteur/campaign"
	"facteur/feedback/inbound"
	"facteur/internal/address"
	"facteur/internal/keyring"
	"facteur/subscribers"

	"github.com/alecthomas/kong"
)

// Config is every setting: a flag, an environment variable or a line of the
// file given by --config, in this order of precedence.
type Config struct {
	DataDir        string        `help:"Folder for the SQLite file, keys and uploads." env:"FACTEUR_DATA_DIR" default:"data" unit:"path"`
	DatabaseURL    string        `help:"sqlite:PATH or postgres://…; empty: SQLite in the data folder." env:"FACTEUR_DATABASE_URL" unit:"URL"`
	RedisURL       string        `help:"redis://, rediss:// or redis-sentinel://; empty: the in-process queue." env:"FACTEUR_REDIS_URL" unit:"URL"`
	SecretKey      string        `help:"Seals stored passwords and keys, 16 characters or more; empty: made in the data folder. Must be the same on all machines." env:"FACTEUR_SECRET_KEY" unit:"text"`
	HTTPAddr       string        `help:"Listening address of the API and of the recipients' pages." env:"FACTEUR_HTTP_ADDR" default:"127.0.0.1:8080" unit:"host:port"`
	PublicURL      string        `help:"Base of every link in mails: https, or plain http on loopback; empty: http://HTTP_ADDR." env:"FACTEUR_PUBLIC_URL" unit:"URL"`
	AdminToken     string        `help:"When set, an API token with all scopes, 16 characters or more." env:"FACTEUR_ADMIN_TOKEN" unit:"text"`
	DNS            string        `help:"Resolver for every DNS question; empty: the system's." env:"FACTEUR_DNS" unit:"host:port"`
	InboundAddr    string        `help:"Where to listen for mail that comes back: bounces, complaints, unsubscribes. Several with commas between them; lmtp: in front for LMTP; empty: off." env:"FACTEUR_INBOUND_ADDR" unit:"[lmtp:]host:port"`
	InboundCert    string        `help:"Certificate with which the inbound listener offers STARTTLS; read again when it changes." env:"FACTEUR_INBOUND_CERT" unit:"path"`
	InboundKey     string        `help:"The certificate's private key." env:"FACTEUR_INBOUND_KEY" unit:"path"`
	InboundRate    int           `help:"Mails a second that the inbound listener takes from one network; 0: no limit." env:"FACTEUR_INBOUND_RATE" default:"500" unit:"mails/s"`
	IMAPURL        string        `help:"Mailbox to which bounces and complaints come, polled: imaps://user:password@host/INBOX; empty: none." env:"FACTEUR_IMAP_URL" name:"imap-url" unit:"URL"`
	IMAPDone       string        `help:"Folder to which its mails go that were taken in; empty: they stay, marked as seen." env:"FACTEUR_IMAP_DONE" name:"imap-done" unit:"folder"`
	HELO           string        `help:"Name given to relays in EHLO; empty: the host's." env:"FACTEUR_HELO" name:"helo" unit:"host name"`
	RetryFirst     time.Duration `help:"Wait before a deferred mail is tried again; it doubles from there." env:"FACTEUR_RETRY_FIRST" default:"5m" unit:"duration"`
	RetryMost      time.Duration `help:"Longest wait between two tries." env:"FACTEUR_RETRY_MOST" default:"4h" unit:"duration"`
	RetryGiveUp    time.Duration `help:"A mail deferred for longer fails; the clock stops while its relay rests." env:"FACTEUR_RETRY_GIVE_UP" default:"48h" unit:"duration"`
	FinalDot       time.Duration `help:"How long a relay may think about a body (RFC 5321: 10 minutes)." env:"FACTEUR_FINAL_DOT" default:"10m" unit:"duration"`
	SignupLimits   string        `help:"Confirmation mails for one address, network (/24, /48), form and recipient domain in any span of a time; what is not named has no limit." env:"FACTEUR_SIGNUP_LIMITS" default:"address=3/24h,network=20/1h,form=500/1h,domain=100/1h" unit:"scope=N/duration"`
	InvitationRate int           `help:"People of an import, or of a re-confirmation, who are asked for their yes in an hour; 0: none." env:"FACTEUR_INVITATION_RATE" default:"1000" unit:"mails/h"`
	FrequencyCap   string        `help:"Campaigns that one person gets at most in any span of a time, such as 3/168h; empty: no limit. Their own wish holds beside it." env:"FACTEUR_FREQUENCY_CAP" unit:"N/duration"`
	CaptchaURL     string        `help:"Where the answer to a captcha in a sign-up form is checked, as hCaptcha, Turnstile and reCAPTCHA do; empty: no captcha." env:"FACTEUR_CAPTCHA_URL" unit:"URL"`
	CaptchaSecret  string        `help:"The secret of your account there." env:"FACTEUR_CAPTCHA_SECRET" unit:"text"`
	CaptchaWidget  string        `help:"HTML that the sign-up form needs for it." env:"FACTEUR_CAPTCHA_WIDGET" unit:"HTML"`
	DisposableFile string        `help:"File of throw-away domains, one a line, for the hygiene reports." env:"FACTEUR_DISPOSABLE_FILE" unit:"path"`
	SpamWords      string        `help:"File of more spam words for the preflight: a line for each, \"weight phrase\", the weight from 1 to 5." env:"FACTEUR_SPAM_WORDS" unit:"path"`
	Spamd          string        `help:"A SpamAssassin whose score the preflight asks for: host:port, or the path of its socket; empty: none." env:"FACTEUR_SPAMD" unit:"host:port"`
	ProvidersFile  string        `help:"File of mailbox providers: domains, exchangers, limits, rules about answers; of the form of throttle/providers.txt, it replaces or adds to what is built in." env:"FACTEUR_PROVIDERS_FILE" unit:"path"`
	AlarmTo        []string      `help:"Operators who are mailed when a breaker trips, separated by commas." env:"FACTEUR_ALARM_TO" unit:"addresses"`
	WebhookNets    []string      `help:"Private networks that outgoing webhooks may reach, separated by commas; none: only public addresses, by https." env:"FACTEUR_WEBHOOK_NETWORKS" name:"webhook-networks" unit:"CIDR"`
	RecipientRate  int           `help:"Requests a second to the recipients' pages from one address; 0: no limit." env:"FACTEUR_RECIPIENT_RATE" default:"200" unit:"requests/s"`
	TrustedProxies []string      `help:"Networks of our own reverse proxies, separated by commas, whose X-Forwarded-For is believed." env:"FACTEUR_TRUSTED_PROXIES" unit:"CIDR"`
	MetricsFrom    []string      `help:"Networks that may read /metrics directly and without a token, separated by commas; none: a token is always needed." env:"FACTEUR_METRICS_FROM" default:"127.0.0.0/8,::1/128" unit:"CIDR"`
	LogFormat      string        `help:"text or json." env:"FACTEUR_LOG_FORMAT" default:"text" enum:"text,json" unit:"text or json"`
	LogLevel       string        `help:"debug, info, warn or error." env:"FACTEUR_LOG_LEVEL" default:"info" enum:"debug,info,warn,error" unit:"debug to error"`
}

// secrets are settings that no output shows.
var secrets = []string{"FACTEUR_SECRET_KEY", "FACTEUR_ADMIN_TOKEN", "FACTEUR_CAPTCHA_SECRET"}

// complete fills in what follows from other settings and refuses what cannot
// work, naming the setting.
func (c *Config) complete() error {
	if err := unknownVariables(os.Environ()); err != nil {
		return err
	}
	for _, d := range c.inboundDoors() {
		if _, _, err := net.SplitHostPort(d.addr); err != nil {
			return fmt.Errorf("FACTEUR_INBOUND_ADDR %q: want host:port or lmtp:host:port", d.addr)
		}
	}
	if c.InboundRate < 0 {
		return fmt.Errorf("FACTEUR_INBOUND_RATE %d: want 0 or more", c.InboundRate)
	}
	if (c.InboundCert == "") != (c.InboundKey == "") {
		return errors.New("FACTEUR_INBOUND_CERT and FACTEUR_INBOUND_KEY: want both or none")
	}
	if c.IMAPURL != "" {
		if _, err := inbound.NewMailbox(inbound.MailboxOptions{URL: c.IMAPURL}); err != nil {
			return fmt.Errorf("FACTEUR_IMAP_URL: %w", err)
		}
	}
	if _, _, err := net.SplitHostPort(c.HTTPAddr); err != nil {
		return fmt.Errorf("FACTEUR_HTTP_ADDR %q: want host:port", c.HTTPAddr)
	}
	if c.DNS != "" {
		if _, _, err := net.SplitHostPort(c.DNS); err != nil {
			return fmt.Errorf("FACTEUR_DNS %q: want host:port", c.DNS)
		}
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.HTTPAddr
	}
	u, err := url.Parse(c.PublicURL)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("FACTEUR_PUBLIC_URL %q: want https://host or https://host/path", c.PublicURL)
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	if c.AdminToken != "" && len(c.AdminToken) < 16 {
		return fmt.Errorf("FACTEUR_ADMIN_TOKEN has %d characters: want at least 16", len(c.AdminToken))
	}
	for name, d := range map[string]time.Duration{"FACTEUR_RETRY_FIRST": c.RetryFirst, "FACTEUR_RETRY_MOST": c.RetryMost, "FACTEUR_RETRY_GIVE_UP": c.RetryGiveUp, "FACTEUR_FINAL_DOT": c.FinalDot} {
		if d <= 0 {
			return fmt.Errorf("%s %s: want more than 0", name, d)
		}
	}
	if c.FinalDot < 2*time.Second {
		return fmt.Errorf("FACTEUR_FINAL_DOT %s: want at least 2s; RFC 5321 asks for 10m", c.FinalDot)
	}
	if c.RetryMost < c.RetryFirst {
		return fmt.Errorf("FACTEUR_RETRY_MOST %s is less than FACTEUR_RETRY_FIRST %s", c.RetryMost, c.RetryFirst)
	}
	if _, err := c.proxies(); err != nil {
		return err
	}
	if _, err := c.metricsFrom(); err != nil {
		return err
	}
	if _, err := networks("FACTEUR_WEBHOOK_NETWORKS", c.WebhookNets); err != nil {
		return err
	}
	if _, err := c.operators(); err != nil {
		return err
	}
	if _, err := subscribers.ParseSignupLimits(c.SignupLimits); err != nil {
		return fmt.Errorf("FACTEUR_SIGNUP_LIMITS: %w", err)
	}
	if _, err := campaign.ParseCap(c.FrequencyCap); err != nil {
		return fmt.Errorf("FACTEUR_FREQUENCY_CAP: %w", err)
	}
	if c.InvitationRate < 0 {
		return fmt.Errorf("FACTEUR_INVITATION_RATE %d: want 0 or more", c.InvitationRate)
	}
	if c.CaptchaURL != "" {
		if u, err := url.Parse(c.CaptchaURL); err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || c.CaptchaSecret == "" {
			return fmt.Errorf("FACTEUR_CAPTCHA_URL %q: want an address, and its FACTEUR_CAPTCHA_SECRET", c.CaptchaURL)
		}
	}
	if c.RecipientRate < 0 {
		return fmt.Errorf("FACTEUR_RECIPIENT_RATE %d: want 0 or more", c.RecipientRate)
	}
	if c.DatabaseURL == "" {
		c.DatabaseURL = "sqlite:" + filepath.Join(c.DataDir, "facteur.db")
	}
	return nil
}

// unknownVariables refuses a misspelt FACTEUR_… variable, which would be a
// setting silently not set. FACTEUR_TEST_… belong to the tests.
func unknownVariables(environ []string) error {
	var known []string
	for f := range fields() {
		known = append(known, f.Tag.Get("env"))
	}
	for _, v := range environ {
		name, _, _ := strings.Cut(v, "=")
		if strings.HasPrefix(name, "FACTEUR_") && !strings.HasPrefix(name, "FACTEUR_TEST_") && !slices.Contains(known, name) {
			return fmt.Errorf("%s is no setting: see facteur config", name)
		}
	}
	return nil
}

func fields() func(func(reflect.StructField) bool) {
	t := reflect.TypeFor[Config]()
	return func(yield func(reflect.StructField) bool) {
		for i := range t.NumField() {
			if !yield(t.Field(i)) {
				return
			}
		}
	}
}

// describe prints each setting with its value, default, unit and meaning.
func (c *Config) describe(w io.Writer) error {
	v := reflect.ValueOf(*c)
	for f := range fields() {
		value := fmt.Sprint(v.FieldByIndex(f.Index))
		env := f.Tag.Get("env")
		switch {
		case slices.Contains(secrets, env) && value != "":
			value = "(set)"
		case strings.Contains(value, "://"):
			if u, err := url.Parse(value); err == nil {
				value = u.Redacted()
			}
		}
		def := f.Tag.Get("default")
		if def == "" {
			def = "empty"
		}
		if _, err := fmt.Fprintf(w, "%s=%s\n    %s\n    default: %s; unit: %s\n", env, value, f.Tag.Get("help"), def, f.Tag.Get("unit")); err != nil {
			return err
		}
	}
	return nil
}

// makeFolder makes the data folder, which only we may read.
func (c *Config) makeFolder() error {
	if err := os.MkdirAll(c.DataDir, 0o700); err != nil {
		return fmt.Errorf("FACTEUR_DATA_DIR: %w", err)
	}
	return nil
}

// secret is the sealing key: the setting, or the file in the data folder.
func (c *Config) secret() (string, error) {
	if c.SecretKey != "" {
		return c.SecretKey, nil
	}
	return keyring.SecretFile(filepath.Join(c.DataDir, "secret.key"))
}

func (c *Config) proxies() ([]netip.Prefix, error) {
	return networks("FACTEUR_TRUSTED_PROXIES", c.TrustedProxies)
}

// metricsFrom are the networks that may read /metrics; the word none stands for none.
func (c *Config) metricsFrom() ([]netip.Prefix, error) {
	if slices.Equal(c.MetricsFrom, []string{"none"}) {
		return nil, nil
	}
	return networks("FACTEUR_METRICS_FROM", c.MetricsFrom)
}

func networks(setting string, texts []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("%s %q: want a network such as 10.0.0.0/8", setting, text)
		}
		all = append(all, p)
	}
	return all, nil
}

func (c *Config) patience() campaign.Patience {
	return campaign.Patience{First: c.RetryFirst, Most: c.RetryMost, GiveUp: c.RetryGiveUp, FinalDot: c.FinalDot}
}

// settingsFile reads --config: a JSON object whose keys are the flags' names,
// such as "http-addr". A flag or an environment variable wins over it, and a
// key that is no setting is refused.
func settingsFile(r io.Reader) (kong.Resolver, error) {
	values := map[string]any{}
	d := json.NewDecoder(r)
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		return nil, fmt.Errorf("--config: not a JSON object: %w", err)
	}
	var find kong.ResolverFunc = func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, env := range flag.Envs {
			if _, set := os.LookupEnv(env); set {
				return nil, nil
			}
		}
		return values[flag.Name], nil
	}
	parser, err := kong.New(&Config{})
	if err != nil {
		return nil, err
	}
	for key := range values {
		if !slices.ContainsFunc(parser.Model.Flags, func(f *kong.Flag) bool { return f.Name == key && key != "help" }) {
			return nil, fmt.Errorf("--config: %q is no setting: see facteur config", key)
		}
	}
	return find, nil
}

// operators are who is mailed about alarms.
func (c *Config) operators() ([]address.Address, error) {
	to := make([]address.Address, len(c.AlarmTo))
	for i, text := range c.AlarmTo {
		a, err := address.Parse(strings.TrimSpace(text))
		if err != nil {
			return nil, fmt.Errorf("FACTEUR_ALARM_TO %q: %w", text, err)
		}
		to[i] = a
	}
	return to, nil
}
