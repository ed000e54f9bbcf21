-- +goose Up
-- A wish for fewer mails is the person's, whatever list they joined since they said it.
UPDATE subscriptions SET every_days = (SELECT MAX(o.every_days) FROM subscriptions o WHERE o.subscriber_id = subscriptions.subscriber_id)
    WHERE subscriber_id IN (SELECT w.subscriber_id FROM subscriptions w WHERE w.every_days > 0);
