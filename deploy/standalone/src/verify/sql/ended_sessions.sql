-- Disabled and deleted users have no active session.
select format('session %s of user %s: active, although the user is %s', s.id, u.id,
    case when u.deleted_at is null then 'disabled' else 'deleted' end)
from identity.sessions s
join identity.users u on u.id = s.user_id
where s.ended_at is null
  and (u.disabled or u.deleted_at is not null)
