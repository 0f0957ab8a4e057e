-- Removes the items of these orders from their locked carts. Lines that were added after the order stay; if the owner of the cart
-- placed another order since, the remaining lines were not part of this one.
with recorded as (
    select o.id, coalesce(o.guest_id, o.user_id) as owner_id, o.guest_id is null as is_of_user, o.created_at, o.placed_at
    from orders.orders o
    where o.id = any ($1::text[]::uuid[])
), ordered as (
    select o.id as order_id, i.cart_id, i.product_id, l.quantity, least(i.quantity, l.quantity) as taken
    from recorded o
    join orders.order_items l on l.order_id = o.id
    join cart.carts c on c.user_id = o.owner_id
        or c.guest_token_hash between uuid_send(o.owner_id) and uuid_send(o.owner_id) || decode(repeat('ff', 16), 'hex')
    join cart.cart_items i on i.cart_id = c.id and i.product_id = l.product_id and i.added_at < o.created_at
    where not exists (
        select from orders.orders n where coalesce(n.guest_id, n.user_id) = o.owner_id and n.placed_at > o.placed_at
    )
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
    when t.taken is null then format('recorded the checkout of order %s for %s %s', o.id, owner.kind, o.owner_id)
    else format('removed %s of product %s from the cart of %s %s: ordered with order %s',
        t.taken, t.product_id, owner.kind, o.owner_id, o.id)
end
from recorded o
cross join lateral (select case when o.is_of_user then 'user' else 'guest' end as kind) owner
left join ordered t on t.order_id = o.id
order by o.id, t.product_id
