select format('mail %s: %s, %s attempts', id, kind, attempts)
from identity.mails
where sent_at is null and rejection is null
