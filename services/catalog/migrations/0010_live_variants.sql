-- The views read the details of variants that can be ordered only: those of archived ones stay, and may be many more.
--
-- The version of a product remains the sum over all of its rows, so that it never decreases: also not when a version before this one
-- archives a variant.

-- As in 0008, with the time of archiving. Each variant's row is read by its id: as a join, all rows may be read for each product of a
-- list.
create or replace view catalog.variant_details as
select v.id, v.product_id, v.position, s.is_sold, s.details, v.archived_at
from catalog.variants v
cross join lateral (
    select s.is_sold is not false as is_sold,
           json_build_object(
               'id', v.id, 'product_id', v.product_id, 'sku', v.sku, 'barcode', v.barcode, 'option_values', v.option_values,
               'price_minor', coalesce(s.variant_price_minor, s.price_minor), 'compare_at_minor', v.compare_at_minor,
               'stock', s.stock, 'weight_grams', v.weight_grams, 'requires_shipping', v.requires_shipping,
               'tax_class', v.tax_class, 'image_id', v.image_id
           ) as details
    from catalog.products s
    where s.id = v.id
    offset 0
) s;

-- As in 0008, but for the condition of the variants, which an index supports.
create or replace view catalog.product_view as
select p.id, p.name, p.description, p.price_minor, p.currency,
       least(
           case when p.is_sold is false then 0 else p.stock end + coalesce(others.stock, 0), 2147483647
       )::integer as stock,
       (p.version + coalesce(others.version, 0))::bigint as version,
       p.archived_at is not null as archived, p.created_at, p.updated_at,
       c.id as category_id, c.name as category_name,
       (
           select coalesce(json_agg(json_build_object('id', t.id, 'name', t.name) order by lower(t.name)), '[]')
           from catalog.product_tags pt join catalog.tags t on t.id = pt.tag_id
           where pt.product_id = p.id
       ) as tags,
       (
           select coalesce(
               json_agg(
                   json_build_object('id', i.id, 'url', i.url, 'thumbnail_url', coalesce(i.thumbnail_url, i.url))
                   order by i.position, i.id
               ),
               '[]'
           )
           from catalog.product_images i
           where i.product_id = p.id
       ) as images,
       -- Null if all variants have the same price.
       nullif(
           greatest(
               case when p.is_sold is not false then coalesce(p.variant_price_minor, p.price_minor) end,
               others.price_max_minor
           ),
           p.price_minor
       ) as price_max_minor,
       p.option_names,
       case when p.archived_at is null then p.variant_count else 0 end as variant_count,
       -- Of the variants that can be ordered, those that have details.
       (
           select coalesce(json_agg(v.details order by v.position, v.id), '[]')
           from catalog.variant_details v
           where v.product_id = p.id and v.archived_at is null and v.is_sold
       ) as variants
from catalog.products p
left join catalog.categories c on c.id = p.category_id
left join lateral (
    select sum(s.stock) filter (where s.is_sold) as stock, sum(s.version) as version,
           max(s.price_minor) filter (where s.is_sold) as price_max_minor
    from catalog.products s
    where p.is_sold is not null and s.variant_of = p.id
) others on true;
