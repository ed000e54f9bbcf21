package main

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"facteur/access"
	"facteur/campaign"
	"facteur/feedback"
	"facteur/feedback/inbound"
	"facteur/feedback/provider"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/journal"
	"facteur/internal/keyring"
	"facteur/internal/panics"
	"facteur/migrations"
	"facteur/sending"
	"facteur/sending/doctor"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"
	"facteur/unsubscribe"
	"facteur/web"
	"facteur/web/api"
	"facteur/web/call"
	"facteur/web/recipient"
	"facteur/worker"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// Role is a part of the work that a process does.
type Role string

// The roles of a process.
const (
	API       Role = "api"
	Scheduler Role = "scheduler"
	Worker    Role = "worker"
	Inbound   Role = "inbound"
)

var allRoles = []Role{API, Scheduler, Worker, Inbound}

// App is a running process: everything wired together. Tests start one too.
type App struct {
	config Config
	roles  []Role
	log    *slog.Logger

	locks     []*folderLock
	db        *database.DB
	risk      string // what a failover of it would lose
	process   *database.Process
	watch     *database.Watch
	embedded  *worker.Embedded
	redis     redis.UniversalClient
	metrics   *prometheus.Registry
	mishaps   *panics.Log
	campaigns *campaign.Store
	people    *subscribers.Store
	importer  *subscribers.Importer
	greeter   *subscribers.Greeter
	ledger    ledgerWatch
	scheduler *campaign.Scheduler
	worker    *worker.Worker
	working   bool // it may have taken work
	feedback  *feedback.Processor
	inbound   []*inbound.Listener
	teller    *journal.Teller
	herald    *worker.Herald

	homeMetrics *inbound.Metrics
	listener    net.Listener

	background context.Context // ends first
	cancel     context.CancelFunc
	calls      context.Context // ends when all that had begun is settled
	hangUp     context.CancelFunc
	stopping   atomic.Bool
	scheduled  chan struct{}
	imported   chan struct{}
	greeted    chan struct{}
	refreshed  chan struct{}
	watched    chan struct{}
	served     chan struct{}
	pruned     chan struct{}
	polled     chan struct{}
	stopped    sync.Once
}

// callTime is how long HTTP calls under way get when the process ends.
const callTime = 5 * time.Second

// ParseRoles reads a list such as "api,scheduler,worker,inbound".
func ParseRoles(text string) ([]Role, error) {
	if text == "" {
		return allRoles, nil
	}
	var roles []Role
	for name := range strings.SplitSeq(text, ",") {
		role := Role(strings.TrimSpace(name))
		if !slices.Contains(allRoles, role) {
			return nil, fmt.Errorf("--roles: %q is unknown: want some of api, scheduler, worker, inbound", role)
		}
		roles = append(roles, role)
	}
	return roles, nil
}

// Start brings the process up. On an error everything that was started is stopped.
func Start(ctx context.Context, c Config, roles []Role, log *slog.Logger) (_ *App, err error) {
	a := &App{config: c, roles: roles, log: log, metrics: prometheus.NewRegistry(), mishaps: panics.NewLog(log)}
	a.background, a.cancel = context.WithCancel(context.Background())
	a.calls, a.hangUp = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			a.Stop()
		}
	}()
	for _, step := range []func(context.Context) error{a.lock, a.openDatabase, a.openQueue, a.bind, a.join, a.wire} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return a, nil
}

func (a *App) has(r Role) bool { return slices.Contains(a.roles, r) }

// roleNames are this process's roles, separated by commas.
func (a *App) roleNames() string {
	names := make([]string, len(a.roles))
	for i, r := range a.roles {
		names[i] = string(r)
	}
	return strings.Join(names, ",")
}

// lock takes what this process must have alone: law 10.
func (a *App) lock(context.Context) (err error) {
	if strings.HasPrefix(a.config.DatabaseURL, "sqlite:") && !slices.Equal(a.roles, allRoles) && len(a.roles) < len(allRoles) {
		return errors.New("SQLite means one process with all roles: leave --roles away, or set FACTEUR_DATABASE_URL to PostgreSQL")
	}
	a.locks, err = lockAll(a.config, "facteur")
	return err
}

func (a *App) openDatabase(ctx context.Context) error {
	var err error
	if a.db, err = database.Open(ctx, a.config.DatabaseURL, database.Options{Now: wallClock()}); err != nil {
		return err
	}
	if err := migrations.Up(ctx, a.db); err != nil {
		return err
	}
	if a.risk, err = a.db.Risk(ctx); a.risk != "" {
		a.log.Warn("the database may forget", "risk", a.risk)
	}
	return err
}

// join takes a place among the processes once what often is amiss is known to
// be in order.
func (a *App) join(ctx context.Context) (err error) {
	if a.process, err = database.Join(ctx, a.db, filepath.Join(a.config.DataDir, "processes")); err != nil {
		return err
	}
	if err := a.process.Introduce(ctx, database.Introduction{Roles: a.roleNames(), Version: version}); err != nil {
		return err
	}
	a.watch, err = database.NewWatch(ctx, a.db)
	return err
}

// bind takes the address of HTTP, at which nobody answers yet.
func (a *App) bind(ctx context.Context) (err error) {
	if a.listener, err = (&net.ListenConfig{}).Listen(ctx, "tcp", a.config.HTTPAddr); err != nil {
		return fmt.Errorf("FACTEUR_HTTP_ADDR: %w", err)
	}
	return nil
}

func (a *App) openQueue(ctx context.Context) error {
	if a.config.RedisURL == "" {
		if a.db.Engine() != database.SQLite && len(a.roles) < len(allRoles) {
			return errors.New("several processes need a Redis that they share: set FACTEUR_REDIS_URL")
		}
		var err error
		if a.embedded, err = worker.StartEmbedded(); err != nil {
			return err
		}
		a.redis = a.embedded.Client()
		return nil
	}
	option, err := asynq.ParseRedisURI(a.config.RedisURL)
	if err != nil {
		return fmt.Errorf("FACTEUR_REDIS_URL: %w", err)
	}
	client, ok := option.MakeRedisClient().(redis.UniversalClient)
	if !ok {
		return errors.New("FACTEUR_REDIS_URL: unknown kind of Redis")
	}
	a.redis = client
	return a.checkRedis(ctx)
}

// queueName is the queue for people, without a password.
func (a *App) queueName() string {
	if a.embedded != nil {
		return "in this process"
	}
	u, err := url.Parse(a.config.RedisURL)
	if err != nil {
		return "Redis"
	}
	return u.Redacted()
}

// checkRedis refuses a Redis that cannot serve: 6.2 is the oldest that asynq's scripts need.
func (a *App) checkRedis(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	info, err := a.redis.Info(ctx, "server").Result()
	if err != nil {
		return fmt.Errorf("FACTEUR_REDIS_URL: %w", err)
	}
	for line := range strings.SplitSeq(info, "\n") {
		version, ok := strings.CutPrefix(strings.TrimSpace(line), "redis_version:")
		var major, minor int
		if ok {
			if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err == nil && (major < 6 || major == 6 && minor < 2) {
				return fmt.Errorf("FACTEUR_REDIS_URL: Redis %s is too old: 6.2 or newer is needed", version)
			}
		}
	}
	return nil
}

// wire makes the parts, joins them and starts those of this process's roles.
func (a *App) wire(ctx context.Context) error {
	secret, err := a.config.secret()
	if err != nil {
		return err
	}
	keys, err := keyring.Open(ctx, a.db, secret)
	if err != nil {
		return err
	}
	a.people = subscribers.NewStore(a.db).Keyed(keys)
	senders := sending.NewStore(a.db, keys)
	if err := senders.CompleteKeys(ctx); err != nil {
		return err
	}
	pace := throttle.NewStore(a.db)
	if name := a.config.ProvidersFile; name != "" {
		providers, err := throttle.LoadProviders(name)
		if err != nil {
			return fmt.Errorf("FACTEUR_PROVIDERS_FILE: %w", err)
		}
		pace = pace.Knowing(providers)
	}
	often, err := campaign.ParseCap(a.config.FrequencyCap)
	if err != nil {
		return err
	}
	a.campaigns = campaign.NewStore(a.db, a.people, senders, pace).Capped(often)
	a.process.OnLoss(a.wentBack)
	noes := subscribers.NewNoes(a.people)
	composer := worker.NewComposer(a.campaigns, a.people, keys, senders, a.config.PublicURL)
	queue := worker.NewQueue(a.redis)
	a.scheduler = campaign.NewScheduler(a.campaigns, a.process, queue, a.patience(), a.log)
	a.scheduler.Mishaps(a.mishaps)
	a.scheduler.Watched(a.watch)
	a.importer = subscribers.NewImporter(a.db, a.people, filepath.Join(a.config.DataDir, "imports"), a.log)

	limits, err := subscribers.ParseSignupLimits(a.config.SignupLimits)
	if err != nil {
		return err
	}
	scribe := worker.NewScribe(a.db, keys, senders, a.config.PublicURL)
	operators, err := a.config.operators()
	if err != nil {
		return err
	}
	a.herald = worker.NewHerald(scribe, operators, a.log)
	a.campaigns.AlsoAlarm(a.herald.Tell)
	a.greeter = subscribers.NewGreeter(a.db, a.people, scribe, limits, a.scheduler.Nudge, a.log)

	var resolver *address.Resolver
	if a.config.DNS != "" {
		if resolver, err = address.NewResolver(address.ResolverOptions{Server: a.config.DNS}); err != nil {
			return fmt.Errorf("FACTEUR_DNS: %w", err)
		}
	}
	dns := resolver
	if dns == nil {
		if dns, err = address.NewResolver(address.ResolverOptions{}); err != nil {
			return err
		}
	}
	checker, err := a.config.checker()
	if err != nil {
		return err
	}
	if err := a.guard(composer, senders, dns, checker); err != nil {
		return err
	}
	a.feedback = feedback.NewProcessor(feedback.Options{
		DB: a.db, Keys: keys, People: a.people, Campaigns: a.campaigns, Sending: senders, Pace: pace, Noes: noes, Log: a.log,
		Providers: provider.New(&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}),
	})
	a.campaigns.AlsoErase(a.feedback.Store().Erase)
	if a.has(Worker) {
		a.worker = worker.New(worker.Options{
			Feedback: a.feedback, DB: a.db, Process: a.process, Redis: a.redis, Campaigns: a.campaigns, People: a.people, Senders: senders, Pace: pace,
			Composer: composer, Noes: noes, Patience: a.patience(), Timeouts: smtp.Timeouts{FinalDot: a.config.FinalDot}, HELO: a.config.HELO, Resolver: resolver,
			OnFinished: a.scheduler.Nudge, Panics: a.mishaps, Log: a.log,
		})
		if err := a.worker.Start(); err != nil {
			return err
		}
		a.working = true
	}
	examiner, err := a.examiner(resolver)
	if err != nil {
		return err
	}
	webhooks := journal.NewWebhooks(a.db, keys)
	webhooks.Plain = len(a.config.WebhookNets) > 0
	if a.has(Scheduler) {
		if err := a.tell(webhooks, resolver); err != nil {
			return err
		}
		if err := a.duties(ctx, keys, senders, scribe, examiner, pace, resolver); err != nil {
			return err
		}
		a.scheduler.Also(campaign.Duty{Name: "check the sending domains", Every: checkPause, Do: a.checkDomains(senders, checker)})
		a.scheduled = make(chan struct{})
		go func() { defer close(a.scheduled); a.scheduler.Run(a.background) }()
	}
	if a.has(API) {
		a.imported = make(chan struct{})
		go func() { defer close(a.imported); a.mishaps.Loop(a.background, "importer", a.importer.Run) }()
		a.greeted = make(chan struct{})
		go func() { defer close(a.greeted); a.mishaps.Loop(a.background, "greeter", a.greeter.Run) }()
	}
	proxies, err := a.config.proxies()
	if err != nil {
		return err
	}
	origin := call.Origin{Proxies: proxies}
	near, err := a.config.metricsFrom()
	if err != nil {
		return err
	}
	probe := func(ctx context.Context, relay int64, to string) ([]smtp.Step, error) {
		if resolver == nil {
			return senders.Probe(ctx, relay, a.config.HELO, nil, to)
		}
		return senders.Probe(ctx, relay, a.config.HELO, resolver.Host, to)
	}
	check := func(ctx context.Context, id int64) (doctor.Report, error) {
		d, err := senders.Domain(ctx, id)
		if err != nil {
			return doctor.Report{}, err
		}
		return checkDomain(ctx, senders, checker, d)
	}
	a.watched = make(chan struct{})
	go func() {
		defer close(a.watched)
		a.mishaps.Loop(a.background, "clock", func(context.Context) { a.watchClock() })
	}()
	a.refreshed = make(chan struct{})
	go func() {
		defer close(a.refreshed)
		a.mishaps.Loop(a.background, "keys", func(context.Context) { a.refreshKeys(keys) })
	}()
	optOut := unsubscribe.NewOptOut(a.db, a.people, noes)
	if a.has(Inbound) {
		if err := a.listenInbound(ctx); err != nil {
			return err
		}
	}
	a.measure(queue, optOut)
	tokens := access.NewStore(a.db, keys, a.config.AdminToken)
	if a.has(API) {
		a.pruned = make(chan struct{})
		go func() {
			defer close(a.pruned)
			a.mishaps.Loop(a.background, "prune", func(context.Context) { a.prune(tokens) })
		}()
	}
	a.serve(web.Options{
		Log: a.log, Ready: a.ready, Metrics: a.metrics, MetricsFrom: near,
		API: api.Options{
			DB: a.db, Clock: a.watch, Access: tokens, Origin: origin, People: a.people, Importer: a.importer, Greeter: a.greeter, Examiner: examiner, Keys: keys, Preview: composer.Preview, LedgerDuty: ledgerDuty, RetentionDuty: retentionDuty, Sending: senders, Pace: pace, Feedback: a.feedback, Webhooks: webhooks, DNS: dns,
			Version: version, Self: api.Self{StartedAt: a.db.Now(), Database: a.databaseName(), Queue: a.queueName(), Ready: a.ready}, Campaigns: a.campaigns, PublicURL: a.config.PublicURL, ComposeTest: composer.Test, ProbeRelay: probe, ProbeDomain: scribe.Probe, CheckDomain: check, Nudge: a.scheduler.Nudge, LettersNudge: a.scheduler.Nudge, Log: a.log,
		},
		Recipient: recipient.Options{
			DB: a.db, Keys: keys, Campaigns: a.campaigns, People: a.people, OptOut: optOut,
			WebVersion: composer.Web, Greeter: a.greeter, LettersReady: scribe.Ready, PublicURL: a.config.PublicURL,
			Captcha: recipient.Captcha{VerifyURL: a.config.CaptchaURL, Secret: a.config.CaptchaSecret, Widget: template.HTML(a.config.CaptchaWidget)},
			Rate:    call.Rate{PerSecond: float64(a.config.RecipientRate), Burst: a.config.RecipientRate}, Origin: origin, Log: a.log,
		},
	})
	return nil
}

// prune forgets answers kept for repeated calls once their day is over.
func (a *App) prune(tokens *access.Store) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		select {
		case <-a.background.Done():
			return
		case <-tick.C:
			if a.watch.Steady() != nil {
				continue
			}
			if err := tokens.PruneReplies(a.background); err != nil && a.background.Err() == nil {
				a.log.Warn("prune kept answers", "error", err)
			}
		}
	}
}

// serve answers HTTP: all of it for the API's process, health and metrics alone for the others.
func (a *App) serve(o web.Options) {
	door := web.Health
	if a.has(API) {
		door = web.Handler
	}
	a.served = make(chan struct{})
	go func() {
		defer close(a.served)
		if err := web.Serve(a.calls, a.listener, door(o), callTime, a.log); err != nil {
			a.log.Error("HTTP", "error", err)
		}
	}()
	a.log.Info("facteur serves", "addr", a.listener.Addr().String(), "roles", fmt.Sprint(a.roles), "database", a.db.Name(), "public_url", a.config.PublicURL)
}

// ready tells whether this process can do its part.
func (a *App) ready(ctx context.Context) error {
	if a.stopping.Load() {
		return errors.New("stopping")
	}
	if err := a.db.Ping(ctx); err != nil {
		return fmt.Errorf("database: %w", err)
	}
	if err := a.redis.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("queue: %w", err)
	}
	if a.worker != nil {
		return a.worker.Ready()
	}
	return nil
}

// await waits for what was started of these.
func await(all ...chan struct{}) {
	for _, done := range all {
		if done != nil {
			<-done
		}
	}
}

// Addr is where HTTP is served.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Stop begins nothing more, settles what has begun within 25 s, and says
// goodbye. It is safe on a process that started only in part, and twice.
func (a *App) Stop() { a.stopped.Do(a.stop) }

func (a *App) stop() {
	a.stopping.Store(true) // /readyz says so; /healthz and the recipients' door stay open while we drain
	a.cancel()
	for _, l := range a.inbound {
		l.Close()
	}
	await(a.scheduled, a.imported, a.greeted, a.refreshed, a.watched, a.pruned, a.polled)
	if a.worker != nil {
		a.worker.Close()
	}
	a.hangUp()
	await(a.served)
	if a.listener != nil {
		_ = a.listener.Close() // again, where HTTP was served
	}
	a.leave()
	if a.redis != nil {
		_ = a.redis.Close()
	}
	if a.embedded != nil {
		a.embedded.Close()
	}
	if a.db != nil {
		if err := a.db.Close(); err != nil {
			a.log.Warn("close the database", "error", err)
		}
	}
	for _, l := range a.locks {
		l.release()
	}
}

// leave says goodbye; a start that failed leaves nothing.
func (a *App) leave() {
	if a.process == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	leave := a.process.Withdraw
	if a.working {
		leave = a.process.Leave
	}
	if err := leave(ctx); err != nil {
		a.log.Warn("say goodbye", "error", err)
	}
}
