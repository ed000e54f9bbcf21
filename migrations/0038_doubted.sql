-- +goose Up
-- A relay's doubts are held within a commit of the senders, also where a million wait for their hour.
-- Neither a begin nor a plain accept changes these columns.
CREATE INDEX deliveries_doubted ON deliveries (campaign_id, subscriber_id) WHERE doubts > 0;
