-- Each stored image that is in use belongs to a product that is sold, and such products have no image that is to be deleted.
select format('image %s: is stored, but no product has it', s.key)
from catalog.stored_images s
where s.delete_after is null
  and not exists (
      select from catalog.product_images i
      join catalog.products p on p.id = i.product_id
      where i.stored_image_key = s.key and p.archived_at is null
  )
union all
select format('product %s: has image %s, which is %s', i.product_id, i.stored_image_key,
    case when s.key is null then 'not stored' else format('to be deleted after %s', s.delete_after) end)
from catalog.product_images i
join catalog.products p on p.id = i.product_id
left join catalog.stored_images s on s.key = i.stored_image_key
where i.stored_image_key is not null
  and p.archived_at is null
  and (s.key is null or s.delete_after is not null)
