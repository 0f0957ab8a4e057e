-- Removes the items of these orders from their locked carts. Lines that were added after the order stay; if the user placed
-- another order since, the remaining lines were not part of this one.
with ordered as (
    select o.id as order_id, o.user_id, i.cart_id, i.product_id, l.quantity, least(i.quantity, l.quantity) as taken
    from orders.orders o
    join orders.order_items l on l.order_id = o.id
    join cart.carts c on c.user_id = o.user_id
    join cart.cart_items i on i.cart_id = c.id and i.product_id = l.product_id and i.added_at < o.created_at
    where o.id = any ($1::text[]::uuid[])
      and not exists (select from orders.orders n where n.user_id = o.user_id and n.placed_at > o.placed_at)
), used_up as (
    delete from cart.cart_items i
    using ordered o
    where i.cart_id = o.cart_id and i.product_id = o.product_id and i.quantity <= o.quantity
), reduced as (
    update cart.cart_items i
    set quantity = i.quantity - o.quantity
    from ordered o
    where i.cart_id = o.cart_id and i.product_id = o.product_id and i.quantity > o.quantity
)
select case
    when t.taken is null then format('recorded the checkout of order %s for user %s', o.id, o.user_id)
    else format('removed %s of product %s from the cart of user %s: ordered with order %s',
        t.taken, t.product_id, o.user_id, o.id)
end
from orders.orders o
left join ordered t on t.order_id = o.id
where o.id = any ($1::text[]::uuid[])
order by o.id, t.product_id
