-- Notes, as the cart does, that these orders were taken out of it, and raises the version of their users' carts: they are
-- locked until the transaction ends. Answers the orders that nobody else has noted.
with ordered as (
    select o.id, o.user_id
    from orders.orders o
    where o.placed_at between now() - interval '89 days' and now() - interval '1 min'
      and not exists (select from cart.checkouts c where c.order_id = o.id)
      and not exists (select from orders.outbox b where b.order_id = o.id and b.kind = 'clear_cart')
      -- Whoever is ordering now has seen the cart as it is.
      and not exists (select from orders.orders p where p.user_id = o.user_id and p.status = 'placing')
    order by o.id
    limit 100
), noted as (
    insert into cart.checkouts (order_id, user_id)
    select id, user_id from ordered
    on conflict (order_id) do nothing
    returning order_id, user_id
), locked as (
    select id from cart.carts where user_id in (select user_id from noted) order by id for update
), touched as (
    update cart.carts c
    set version = c.version + 1, updated_at = clock_timestamp()
    from locked
    where c.id = locked.id
)
select order_id::text from noted
