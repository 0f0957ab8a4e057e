-- Each stored image that is in use is the avatar of an existing user, and no avatar is missing or about to be deleted.
select format('image %s: is stored, but no user has it', i.key)
from identity.stored_images i
where i.delete_after is null
  and not exists (select from identity.users u where u.avatar_image_key = i.key and u.deleted_at is null)
union all
select format('user %s: has image %s, which is %s', u.id, u.avatar_image_key,
    case when i.key is null then 'not stored' else format('to be deleted after %s', i.delete_after) end)
from identity.users u
left join identity.stored_images i on i.key = u.avatar_image_key
where u.avatar_image_key is not null
  and (i.key is null or i.delete_after is not null)
