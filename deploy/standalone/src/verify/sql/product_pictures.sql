-- A picture that is kept for good is the one of an image, and a product that is sold shows none that is to be swept.
select format('picture %s: is kept, but no product shows it', k.key)
from catalog.pictures k
where k.sweep_at is null
  and not exists (
      select from catalog.images i
      join catalog.products p on p.id = i.product_id
      where i.picture = k.key and p.archived_at is null
  )
union all
select format('product %s: shows picture %s, which is %s', i.product_id, i.picture,
    case when k.key is null then 'not there' else format('swept from %s on', k.sweep_at) end)
from catalog.images i
join catalog.products p on p.id = i.product_id
left join catalog.pictures k on k.key = i.picture
where i.picture is not null
  and p.archived_at is null
  and (k.key is null or k.sweep_at is not null)
