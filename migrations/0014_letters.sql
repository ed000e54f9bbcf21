-- +goose Up
CREATE INDEX letters_subscriber ON letters (subscriber_id) WHERE subscriber_id > 0;
CREATE INDEX letters_created ON letters (created_at);
