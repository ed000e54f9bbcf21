-- +goose Up
-- People are asked when a relay has accepted the mail that asks, not when it is written. An invitation is waiting, written or asked.
-- SQLite finds a person's letters by their index only where it is told that there is a person.
ALTER TABLE subscriptions ADD COLUMN asked_at BIGINT NOT NULL DEFAULT 0; -- 0: not yet
UPDATE subscriptions SET asked_at = changed_at WHERE status = 'pending'
    AND EXISTS (SELECT 1 FROM letters l
        WHERE l.subscriber_id > 0 AND l.subscriber_id = subscriptions.subscriber_id AND l.list_id IN (0, subscriptions.list_id)
        AND l.kind IN ('confirmation', 'invitation') AND l.status = 'sent')
    AND NOT EXISTS (SELECT 1 FROM letters l
        WHERE l.subscriber_id > 0 AND l.subscriber_id = subscriptions.subscriber_id AND l.list_id IN (0, subscriptions.list_id)
        AND l.kind IN ('confirmation', 'invitation') AND l.status <> 'sent');
CREATE INDEX subscriptions_asked ON subscriptions (asked_at) WHERE status = 'pending' AND asked_at > 0;

UPDATE invitations SET state = 'written', asked_at = 0 WHERE state = 'asked' AND EXISTS (SELECT 1 FROM letters l
    WHERE l.subscriber_id > 0 AND l.subscriber_id = invitations.subscriber_id AND l.list_id = invitations.list_id
        AND l.kind IN ('confirmation', 'invitation') AND l.status IN ('queued', 'sending', 'deferred', 'uncertain'));
DELETE FROM invitations WHERE state = 'asked' AND EXISTS (SELECT 1 FROM letters l
    WHERE l.subscriber_id > 0 AND l.subscriber_id = invitations.subscriber_id AND l.list_id = invitations.list_id
        AND l.kind IN ('confirmation', 'invitation') AND l.status IN ('failed', 'skipped'));
CREATE INDEX invitations_turn ON invitations (state, list_id, kind DESC, created_at);
DROP INDEX invitations_state;
CREATE INDEX invitations_silent ON invitations (asked_at) WHERE state = 'asked' AND kind = 'reconfirm';
