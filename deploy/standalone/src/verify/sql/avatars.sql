-- A picture that is kept for good is the one of an account that is there, and an account shows none that is to be swept.
select format('picture %s: is kept, but no account shows it', i.key)
from identity.stored_images i
where i.delete_after is null
  and not exists (select from identity.users u where u.avatar_image_key = i.key and u.deleted_at is null)
union all
select format('user %s: shows picture %s, which is %s', u.id, u.avatar_image_key,
    case when i.key is null then 'not there' else format('swept from %s on', i.delete_after) end)
from identity.users u
left join identity.stored_images i on i.key = u.avatar_image_key
where u.avatar_image_key is not null
  and (i.key is null or i.delete_after is not null)
