-- A product on sale has at least one variant that can be ordered, their number and lowest price, and each has its options. Their rows
-- and details agree.
with sold as (
    select coalesce(s.variant_of, s.id) as product_id, coalesce(s.variant_price_minor, s.price_minor) as price_minor,
           coalesce(cardinality(v.option_values), 0) as options
    from catalog.products s left join catalog.variants v on v.id = s.id
    where s.is_sold is not false and (s.variant_of is not null or s.archived_at is null)
), product as (
    select p.id, p.variant_count, p.price_minor, cardinality(p.option_names) as options, count(sold.product_id) as count,
           min(sold.price_minor) as lowest, min(sold.options) as min_options, max(sold.options) as max_options
    from catalog.products p left join sold on sold.product_id = p.id
    where p.variant_of is null and p.archived_at is null
    group by p.id
)
select format(
    'product %s: %s variants of %s, lowest price %s of %s, %s to %s options of %s',
    id, count, variant_count, lowest, price_minor, min_options, max_options, options
)
from product
where count = 0 or count <> variant_count or lowest <> price_minor or min_options <> options or max_options <> options
union all
select format('variant %s: product %s does not exist or is archived', s.id, s.variant_of)
from catalog.products s
where s.variant_of is not null and s.is_sold
  and not exists (
      select from catalog.products p where p.id = s.variant_of and p.variant_of is null and p.archived_at is null
  )
union all
select format('product %s: has other variants, but is marked as the only one', p.id)
from catalog.products p
where p.is_sold is null and (p.variant_of is not null or exists (select from catalog.products s where s.variant_of = p.id))
union all
select format('variant %s: its details are of product %s, archived: %s', v.id, v.product_id, v.archived_at is not null)
from catalog.variants v join catalog.products s on s.id = v.id
where v.product_id <> coalesce(s.variant_of, s.id)
   or (v.archived_at is null) <> (s.is_sold is not false and (s.variant_of is not null or s.archived_at is null))
union all
select format('variant %s: image %s is not one of product %s', v.id, i.id, v.product_id)
from catalog.variants v join catalog.product_images i on i.id = v.image_id
where i.product_id <> v.product_id
