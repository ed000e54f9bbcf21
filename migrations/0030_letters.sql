-- +goose Up
-- Letters wait, are doubted and are refused as deliveries are; each kind has its rank, and invitations are a kind of their own.
ALTER TABLE letters ADD COLUMN list_id BIGINT NOT NULL DEFAULT 0;     -- the list whose yes it asks for, 0: none
ALTER TABLE letters ADD COLUMN rank BIGINT NOT NULL DEFAULT 0;        -- of its kind; 0 goes first
ALTER TABLE letters ADD COLUMN wait BIGINT NOT NULL DEFAULT 0;        -- for 0 nothing (in work, or done), 2 its time, 3 a person
ALTER TABLE letters ADD COLUMN deferred_at BIGINT NOT NULL DEFAULT 0; -- the first deferral, less the relay's rests
ALTER TABLE letters ADD COLUMN reason TEXT NOT NULL DEFAULT '';       -- why it was skipped, put off or given up

UPDATE letters SET deferred_at = created_at WHERE status = 'deferred';
UPDATE letters SET wait = CASE WHEN status = 'uncertain' THEN 3 WHEN status IN ('queued', 'deferred') AND session = 0 THEN 2 ELSE 0 END;

-- An invitation's letter was written in the moment in which it was asked.
UPDATE letters SET list_id = (SELECT MIN(i.list_id) FROM invitations i
        WHERE i.subscriber_id = letters.subscriber_id AND i.state = 'asked' AND letters.created_at BETWEEN i.asked_at AND i.asked_at + 2000)
    WHERE kind = 'confirmation' AND EXISTS (SELECT 1 FROM invitations i
        WHERE i.subscriber_id = letters.subscriber_id AND i.state = 'asked' AND letters.created_at BETWEEN i.asked_at AND i.asked_at + 2000);
UPDATE letters SET kind = 'invitation' WHERE kind = 'confirmation' AND EXISTS (SELECT 1 FROM invitations i
        WHERE i.subscriber_id = letters.subscriber_id AND i.list_id = letters.list_id AND i.kind IN ('import', 'reconfirm') AND i.state = 'asked');
UPDATE letters SET list_id = (SELECT MIN(s.list_id) FROM subscriptions s WHERE s.subscriber_id = letters.subscriber_id AND s.status = 'pending')
    WHERE kind = 'confirmation' AND list_id = 0 AND (SELECT COUNT(*) FROM subscriptions s WHERE s.subscriber_id = letters.subscriber_id AND s.status = 'pending') = 1;
UPDATE letters SET rank = CASE WHEN kind IN ('access', 'confirmation', 'already') THEN 0 WHEN kind = 'alarm' THEN 1 WHEN kind = 'invitation' THEN 3 ELSE 2 END;

DROP INDEX letters_open;
CREATE INDEX letters_due ON letters (sender_id, rank, not_before, id) WHERE wait = 2;
CREATE INDEX letters_held ON letters (id) WHERE wait = 3;
CREATE INDEX letters_taken ON letters (session) WHERE session <> 0;
