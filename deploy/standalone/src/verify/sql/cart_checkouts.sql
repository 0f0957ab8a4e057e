-- Items are removed from a cart only for an order of the cart's owner.
select format('order %s: removed from the cart of user %s, but %s', c.order_id, c.user_id,
    case when o.id is null then 'there is no such order' else format('is %s of user %s', o.status, coalesce(o.guest_id, o.user_id)) end)
from cart.checkouts c
left join orders.orders o on o.id = c.order_id
where o.id is null or coalesce(o.guest_id, o.user_id) <> c.user_id or o.placed_at is null
