-- +goose Up
-- How many people were chosen for a campaign's canary so far: those of a rank below 0.
ALTER TABLE campaigns ADD COLUMN canary_size BIGINT NOT NULL DEFAULT 0;
CREATE INDEX deliveries_sample ON deliveries (campaign_id, wait) WHERE rank < 0;
UPDATE campaigns SET canary_size = (SELECT COUNT(*) FROM deliveries d WHERE d.campaign_id = campaigns.id AND d.rank < 0)
    WHERE status IN ('sending', 'paused') AND canary_state IN ('', 'sample', 'waiting');
