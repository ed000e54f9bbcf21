package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
)

// The queues and the tasks in them.
const (
	urgentQueue   = "urgent"
	campaignQueue = "campaigns"
	batchTask     = "campaign:batch"
	letterTask    = "letter"
)

// Queue hands ids to the workers. A task's id is the batch's and, as time goes
// on, the number of the offer: a task of which a worker died before it had taken
// the batch stays with that worker for up to two minutes, and its id with it.
// So a batch is queued a few times at most, however often it is offered; it is
// taken once.
type Queue struct {
	client *asynq.Client
	redis  redis.UniversalClient
	depth  *prometheus.Desc
}

// NewQueue enqueues in r, which the caller closes.
func NewQueue(r redis.UniversalClient) *Queue {
	return &Queue{
		client: asynq.NewClientFromRedisClient(r), redis: r,
		depth: prometheus.NewDesc("facteur_queue_tasks", "Tasks in the queue; each is a batch of messages, or a letter.", []string{"queue", "state"}, nil),
	}
}

// Metrics are the queue's depths, read from Redis when they are asked for.
func (q *Queue) Metrics() []prometheus.Collector { return []prometheus.Collector{q} }

// Describe implements [prometheus.Collector].
func (q *Queue) Describe(to chan<- *prometheus.Desc) { to <- q.depth }

// Collect implements [prometheus.Collector].
func (q *Queue) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	pipe := q.redis.Pipeline()
	lengths := map[[2]string]*redis.IntCmd{}
	for _, queue := range []string{urgentQueue, campaignQueue} {
		key := "asynq:{" + queue + "}:"
		lengths[[2]string{queue, "pending"}] = pipe.LLen(ctx, key+"pending")
		lengths[[2]string{queue, "active"}] = pipe.LLen(ctx, key+"active")
		lengths[[2]string{queue, "retry"}] = pipe.ZCard(ctx, key+"retry")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		to <- prometheus.NewInvalidMetric(q.depth, fmt.Errorf("depth of the queue: %w", err))
		return
	}
	for labels, length := range lengths {
		to <- prometheus.MustNewConstMetric(q.depth, prometheus.GaugeValue, float64(length.Val()), labels[:]...)
	}
}

// Release offers batches.
func (q *Queue) Release(ctx context.Context, ids []int64) error {
	return q.enqueue(ctx, batchTask, campaignQueue, ids)
}

// Letters offers letters, ahead of all batches.
func (q *Queue) Letters(ctx context.Context, ids []int64) error {
	return q.enqueue(ctx, letterTask, urgentQueue, ids)
}

// An offer's number changes so often, and there are so many of them.
const (
	offerFor = 5 * time.Second
	offers   = 4
)

func (q *Queue) enqueue(ctx context.Context, kind, queue string, ids []int64) error {
	offer := strconv.FormatInt(time.Now().UnixMilli()/offerFor.Milliseconds()%offers, 10)
	for _, id := range ids {
		// MaxRetry is high as a crash counts as a try and an archived task would
		// keep its id; our handlers end by the database, not by retries.
		_, err := q.client.EnqueueContext(ctx, asynq.NewTask(kind, binary.BigEndian.AppendUint64(nil, uint64(id))),
			asynq.TaskID(kind+":"+strconv.FormatInt(id, 10)+":"+offer), asynq.Queue(queue), asynq.MaxRetry(1000), asynq.Timeout(time.Hour))
		if err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
			return fmt.Errorf("enqueue %s %d: %w", kind, id, err)
		}
	}
	return nil
}

func idOf(t *asynq.Task) (int64, error) {
	if len(t.Payload()) != 8 {
		return 0, fmt.Errorf("task %s has a payload of %d bytes, want 8", t.Type(), len(t.Payload()))
	}
	return int64(binary.BigEndian.Uint64(t.Payload())), nil
}

// queueLog lets asynq speak through our log.
type queueLog struct{ log *slog.Logger }

func (l queueLog) Debug(args ...any) { l.log.Debug(fmt.Sprint(args...)) }
func (l queueLog) Info(args ...any)  { l.log.Debug(fmt.Sprint(args...)) }
func (l queueLog) Warn(args ...any)  { l.log.Warn(fmt.Sprint(args...)) }
func (l queueLog) Error(args ...any) { l.log.Error(fmt.Sprint(args...)) }
func (l queueLog) Fatal(args ...any) { l.log.Error(fmt.Sprint(args...)) }
