-- An order begins as `pending`, moves along its states, and is where its last move led to.
with allowed (source, target) as (
    values (null, 'pending'),
        ('pending', 'confirmed'), ('pending', 'paid'), ('pending', 'cancelled'),
        ('confirmed', 'paid'), ('confirmed', 'shipped'), ('confirmed', 'cancelled'),
        ('paid', 'shipped'), ('paid', 'cancelled'),
        ('shipped', 'completed')
), moves as (
    select order_id, id, status, lag(status) over (partition by order_id order by id) as source
    from orders.order_events
), histories as (
    select m.order_id,
        string_agg(m.status, ' -> ' order by m.id) as text,
        (array_agg(m.status order by m.id desc))[1] as last,
        bool_and(a.target is not null) as allowed
    from moves m
    left join allowed a on a.target = m.status and a.source is not distinct from m.source
    group by m.order_id
)
select format('order %s: is %s, its history is %s', o.id, o.status, coalesce(h.text, 'empty'))
from orders.orders o
left join histories h on h.order_id = o.id
where case
    when o.placed_at is null then h.order_id is not null
    else h.last is distinct from o.status or not h.allowed
end
