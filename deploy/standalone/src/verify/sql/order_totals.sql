-- An order has lines, and its total is that of its lines and of shipping, and the sum of its parts. Orders of earlier versions
-- have no parts but their lines.
select format('order %s: total %s %s, sum of its lines and shipping %s', o.id, o.total_minor, o.currency,
              coalesce((l.sum + s.shipping)::text, 'nothing'))
from orders.orders o
cross join lateral (
    select coalesce(o.shipping_minor + case when o.prices_include_tax then 0 else o.shipping_tax_minor end, 0) as shipping,
           o.subtotal_minor - o.discount_minor + o.shipping_minor
               + case when o.prices_include_tax then 0 else o.tax_minor end as parts
) s
left join lateral (
    select sum(coalesce(i.total_minor, i.price_minor::numeric * i.quantity)) as sum,
           bool_and(i.price_minor is not null and coalesce(
               i.total_minor = i.price_minor::numeric * i.quantity - i.discount_minor
                   + case when o.prices_include_tax then 0 else i.tax_minor end,
               true
           )) as valid
    from orders.order_items i
    where i.order_id = o.id
) l on true
where o.placed_at is not null
  and (l.sum + s.shipping is distinct from o.total_minor or coalesce(s.parts, o.total_minor) <> o.total_minor or not l.valid)
