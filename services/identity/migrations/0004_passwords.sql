-- One-time passwords: from this time on, the password starts no session. Null for other passwords.

alter table identity.users add column password_expires_at timestamptz;
