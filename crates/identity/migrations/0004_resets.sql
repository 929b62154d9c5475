-- Which mail brings the token: its next try takes the place of the one before. Null for tokens of before.
ALTER TABLE identity_reset ADD COLUMN mail_id TEXT;
