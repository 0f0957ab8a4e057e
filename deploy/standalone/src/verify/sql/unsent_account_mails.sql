-- A mail that cannot be sent is rejected after 48 h, unless no process sends mail: then it is deleted after an hour.
select format('mail %s: %s not sent since %s, %s attempts', id, kind, created_at, attempts)
from identity.mails
where sent_at is null and rejection is null and created_at < now() - interval '48 h'
