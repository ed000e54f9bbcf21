package worker_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"facteur/internal/database"
	"facteur/internal/database/databasetest"
	"facteur/sending"
	"facteur/sending/sandbox"
	"facteur/worker"

	"github.com/redis/go-redis/v9"
)

// eachRedis runs the test on the in-process queue and, where
// FACTEUR_TEST_REDIS_URL names one, on a real Redis. dial is a new client.
func eachRedis(t *testing.T, test func(t *testing.T, dial func() redis.UniversalClient)) {
	t.Run("in-process", func(t *testing.T) {
		embedded, err := worker.StartEmbedded()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(embedded.Close)
		test(t, embedded.Client)
	})
	t.Run("Redis", func(t *testing.T) {
		url := os.Getenv("FACTEUR_TEST_REDIS_URL")
		if url == "" {
			if os.Getenv("CI") == "true" {
				t.Fatal("FACTEUR_TEST_REDIS_URL is not set: run the tests with make test")
			}
			t.Skip("Redis not tried: FACTEUR_TEST_REDIS_URL is not set (make test sets it)")
		}
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		options.DB = 4 // nobody else's
		dial := func() redis.UniversalClient { return redis.NewClient(options) }
		r := dial()
		flush := func() { _ = r.FlushDB(context.Background()).Err() }
		flush()
		t.Cleanup(func() { flush(); _ = r.Close() })
		test(t, dial)
	})
}

// A worker that dies between taking a task from the queue and taking its batch
// or letter from the database keeps the task, which asynq hands on after one to
// two minutes. Nobody waits for that.
func TestQueue_AWorkerThatDiesBeforeItTookHoldsNothingUp(t *testing.T) {
	t.Parallel()
	eachRedis(t, func(t *testing.T, dial func() redis.UniversalClient) {
		s := box(t, sandbox.Options{})
		e := startOn(t, databasetest.New(t), dial())
		e.worker.Close()
		sender := e.sender(s, 5)
		e.write(func(ctx context.Context, tx *database.Tx) error {
			return e.senders.WriteLetter(ctx, tx, sending.Letter{
				ID: e.db.NewID(), Kind: sending.TestLetter, SenderID: sender, Email: "boss@example.org",
				Message: "From: hello@news.example.com\r\nTo: boss@example.org\r\nMessage-ID: <letter@test>\r\nSubject: test\r\n\r\nHello.\r\n",
			})
		})
		id := e.launch(sender, e.list("all", addresses("person", 50)...))
		for _, queue := range []string{"urgent", "campaigns"} {
			waitFor(t, 20*time.Second, func() bool { return e.dequeue(queue) > 0 })
		}
		e.work()
		if n := e.sent(id, 45*time.Second); n.Sent != 50 || n.Doubted != 0 {
			t.Errorf("counts %+v", n)
		}
		waitFor(t, 45*time.Second, func() bool { return len(s.Of("boss@example.org")) == 1 })
		if n := s.Count(); n.Duplicates != 0 || n.Accepted != 51 {
			t.Errorf("%d came, %d of them twice", n.Accepted, n.Duplicates)
		}
	})
}

// dequeue takes all tasks of a queue as asynq v0.26 does for a worker, which
// then dies: they are active, under a lease that nobody extends.
func (e *engine) dequeue(queue string) (taken int) {
	e.t.Helper()
	ctx, key := context.Background(), "asynq:{"+queue+"}:"
	for {
		id, err := e.redis.RPopLPush(ctx, key+"pending", key+"active").Result()
		if errors.Is(err, redis.Nil) {
			return taken
		}
		if err == nil {
			err = e.redis.HSet(ctx, key+"t:"+id, "state", "active").Err()
		}
		if err == nil {
			err = e.redis.ZAdd(ctx, key+"lease", redis.Z{Score: float64(time.Now().Add(30 * time.Second).Unix()), Member: id}).Err()
		}
		if err != nil {
			e.t.Fatal(err)
		}
		taken++
	}
}
