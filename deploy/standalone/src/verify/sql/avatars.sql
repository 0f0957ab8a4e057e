-- A picture that is kept for good is the one of an account that is there, and an account shows none that is to be swept.
select format('picture %s: is kept, but no account shows it', i.key)
from identity.pictures i
where i.sweep_at is null
  and not exists (select from identity.users u where u.avatar_picture = i.key and u.deleted_at is null)
union all
select format('user %s: shows picture %s, which is %s', u.id, u.avatar_picture,
    case when i.key is null then 'not there' else format('swept from %s on', i.sweep_at) end)
from identity.users u
left join identity.pictures i on i.key = u.avatar_picture
where u.avatar_picture is not null
  and (i.key is null or i.sweep_at is not null)
