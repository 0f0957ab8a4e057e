-- A discount with a limit counts its uses. Cancelled orders have given theirs back, and other orders have not.
select format('discount %s: %s uses are counted, %s orders use it', d.id, d.used, count(u.order_id))
from orders.discounts d
left join orders.order_discounts u on u.discount_id = d.id and u.released_at is null
where d.usage_limit is not null
group by d.id
having d.used <> count(u.order_id)
union all
select format(
    'order %s is %s, its use of discount %s %s', o.id, o.status, u.discount_id,
    case when u.released_at is null then 'was not returned' else 'was returned' end
)
from orders.order_discounts u
join orders.orders o on o.id = u.order_id
where (o.status = 'cancelled') <> (u.released_at is not null)
