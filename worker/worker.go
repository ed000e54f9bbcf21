package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"facteur/campaign"
	"facteur/feedback"
	"facteur/internal/address"
	"facteur/internal/database"
	"facteur/internal/panics"
	"facteur/sending"
	"facteur/sending/smtp"
	"facteur/subscribers"
	"facteur/throttle"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// batchesAtOnce is how many batches a process works on: slow lanes wait
// inside theirs, so there must be room for the fast ones beside them.
const batchesAtOnce = 128

// lettersAtOnce is how many letters a process takes at once. A taken one goes
// on beside the handlers.
const lettersAtOnce = 16

// dialogueTime is how long open dialogues get when the process ends.
const dialogueTime = 25 * time.Second

// Options of [New]. All stores are of one database.
type Options struct {
	DB         *database.DB
	Process    *database.Process
	Redis      redis.UniversalClient
	Campaigns  *campaign.Store
	People     *subscribers.Store
	Senders    *sending.Store
	Pace       *throttle.Store
	Composer   *Composer
	Noes       *subscribers.Noes
	Feedback   *feedback.Processor
	Patience   campaign.Patience
	Timeouts   smtp.Timeouts
	HELO       string
	Resolver   *address.Resolver // for the relays' names; nil: the system's
	Panics     *panics.Log       // nil: one of its own
	OnFinished func()            // a batch has ended: there is room for another
	Drain      time.Duration     // how long open dialogues get when the process ends; 0: 25 s
	Log        *slog.Logger
}

// Worker executes batches and letters.
type Worker struct {
	db         *database.DB
	process    *database.Process
	campaigns  *campaign.Store
	people     *subscribers.Store
	senders    *sending.Store
	signers    *sending.Signers
	pace       *throttle.Store
	composer   *Composer
	scribe     *Scribe // of letters that must be written anew
	noes       *subscribers.Noes
	limiter    *throttle.Limiter
	leases     *throttle.Leases
	lines      *lines
	recorder   *Recorder
	server     *asynq.Server // of batches
	letters    *asynq.Server
	places     places         // of letters that wait
	carrying   sync.WaitGroup // letters under way
	log        *slog.Logger
	mishaps    *panics.Log
	onFinished func()
	drainTime  time.Duration

	draining context.Context // ends: begin no more
	drain    context.CancelFunc
	closing  context.Context // ends: give up
	giveUp   context.CancelFunc
	busy     atomic.Int64 // batches
	mailing  atomic.Int64 // letters
	halts    atomic.Pointer[halts]
	pacing   atomic.Pointer[pacing]
	reading  sync.Mutex
	readAt   time.Time // when the pacing was read; under reading
	polled   chan struct{}
	leased   chan struct{}
}

// New makes a worker; [Worker.Start] lets it work.
func New(o Options) *Worker {
	w := &Worker{
		db: o.DB, process: o.Process, campaigns: o.Campaigns, people: o.People, senders: o.Senders, signers: o.Composer.signers, pace: o.Pace, composer: o.Composer,
		scribe: NewScribe(o.DB, o.Composer.keys, o.Senders, o.Composer.publicURL),
		noes:   o.Noes, limiter: throttle.NewLimiter(o.Redis, o.DB.Since), leases: throttle.NewLeases(o.Redis, strconv.FormatInt(o.Process.Session(), 10), o.DB.Since),
		log: o.Log, onFinished: o.OnFinished, drainTime: cmp.Or(o.Drain, dialogueTime), polled: make(chan struct{}), leased: make(chan struct{}),
	}
	if w.mishaps = o.Panics; w.mishaps == nil {
		w.mishaps = panics.NewLog(o.Log)
	}
	if w.onFinished == nil {
		w.onFinished = func() {}
	}
	w.draining, w.drain = context.WithCancel(context.Background())
	w.closing, w.giveUp = context.WithCancel(context.Background())
	w.halts.Store(&halts{})
	w.pacing.Store(&pacing{})
	w.recorder = &Recorder{db: o.DB, process: o.Process, campaigns: o.Campaigns, people: o.People, senders: o.Senders, pace: o.Pace, feedback: o.Feedback, patience: o.Patience, log: o.Log, metrics: newMetrics(), mishaps: w.mishaps, repace: w.repace}
	w.lines = &lines{db: o.DB, senders: o.Senders, recorder: w.recorder, log: o.Log, helo: o.HELO, timeouts: o.Timeouts, byID: map[int64]*line{}}
	if o.Resolver != nil {
		w.lines.lookup = o.Resolver.Host
	}
	w.server = newServer(o.Redis, campaignQueue, batchesAtOnce, w.drainTime, o.Log)
	w.letters = newServer(o.Redis, urgentQueue, lettersAtOnce, w.drainTime, o.Log)
	return w
}

// newServer takes the tasks of one queue. Batches that wait in their handlers
// so never keep a letter waiting.
func newServer(r redis.UniversalClient, queue string, atOnce int, drainTime time.Duration, log *slog.Logger) *asynq.Server {
	return asynq.NewServerFromRedisClient(r, asynq.Config{
		Concurrency:              atOnce,
		Queues:                   map[string]int{queue: 1},
		TaskCheckInterval:        100 * time.Millisecond,
		DelayedTaskCheckInterval: time.Second,
		ShutdownTimeout:          drainTime + 5*time.Second,
		RetryDelayFunc:           func(int, error, *asynq.Task) time.Duration { return 2 * time.Second },
		IsFailure:                func(err error) bool { return err != nil && !errors.Is(err, asynq.ErrLeaseExpired) },
		Logger:                   queueLog{log},
		LogLevel:                 asynq.WarnLevel,
	})
}

// Start begins to take tasks.
func (w *Worker) Start() error {
	w.recorder.start()
	go func() { defer close(w.polled); w.mishaps.Loop(w.closing, "poll", w.poll) }()
	go func() { defer close(w.leased); w.mishaps.Loop(w.closing, "connection places", w.leases.Run) }()
	err := w.server.Start(handler(batchTask, w.runBatch))
	if err == nil {
		err = w.letters.Start(handler(letterTask, w.runLetter))
	}
	if err != nil {
		return fmt.Errorf("start taking tasks: %w", err)
	}
	return nil
}

func handler(kind string, run func(context.Context, *asynq.Task) error) asynq.Handler {
	mux := asynq.NewServeMux()
	mux.HandleFunc(kind, run)
	return mux
}

// poll reads noes, pauses and stops that others have committed, so that few
// envelopes are opened in vain. The begin itself reads the tables.
func (w *Worker) poll(ctx context.Context) {
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if w.busy.Load()+w.mailing.Load() == 0 {
				continue
			}
			err := errors.Join(w.noes.Poll(ctx), w.readPace(ctx))
			if err != nil && w.closing.Err() == nil && !errors.Is(err, database.ErrUnavailable) {
				w.log.Error("poll", "error", err)
			}
		}
	}
}

// Ready tells whether the worker can do its work.
func (w *Worker) Ready() error {
	if since := w.recorder.Failing(); !since.IsZero() {
		return fmt.Errorf("the database takes no outcomes since %s", since.Format(time.RFC3339))
	}
	if !w.process.Alive() {
		return errors.New("this process could not renew its lease")
	}
	return nil
}

// Busy is the number of batches in work and of open connections.
func (w *Worker) Busy() (batches, connections int) {
	return int(w.busy.Load()), w.lines.connections()
}

// Close begins nothing more, gives open dialogues 25 s, and returns when all
// that was begun is settled and all else given back.
func (w *Worker) Close() {
	w.drain()
	giveUp := time.AfterFunc(w.drainTime, func() { w.recorder.abandon(); w.giveUp() })
	defer giveUp.Stop()
	w.server.Stop()
	w.letters.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), w.drainTime)
	defer cancel()
	w.lines.close(ctx)
	w.server.Shutdown()
	w.letters.Shutdown()
	w.carrying.Wait()
	w.giveUp()
	w.recorder.close()
	<-w.polled
	<-w.leased
}
