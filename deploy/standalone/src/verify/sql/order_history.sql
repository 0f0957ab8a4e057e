-- An order starts as `pending`, follows the state machine, and has the status of its last event. Payment events between two
-- transitions have the status of that time.
with allowed (source, target) as (
    values (null, 'pending'),
        ('pending', 'confirmed'), ('pending', 'paid'), ('pending', 'cancelled'),
        ('confirmed', 'paid'), ('confirmed', 'shipped'), ('confirmed', 'cancelled'),
        ('paid', 'shipped'), ('paid', 'cancelled'),
        ('shipped', 'completed')
), steps as (
    select order_id, id, status, status_changed, lag(status) over (partition by order_id order by id) as source
    from orders.order_events
), histories as (
    select s.order_id,
        string_agg(s.status, ' -> ' order by s.id) filter (where s.status_changed) as moves,
        (array_agg(s.status order by s.id desc))[1] as last,
        bool_and(case when s.status_changed then a.target is not null else s.source is not distinct from s.status end) as allowed
    from steps s
    left join allowed a on a.target = s.status and a.source is not distinct from s.source
    group by s.order_id
)
select format('order %s: is %s, its history is %s', o.id, o.status, coalesce(h.moves, 'empty'))
from orders.orders o
left join histories h on h.order_id = o.id
where case
    when o.placed_at is null then h.order_id is not null
    else h.last is distinct from o.status or not h.allowed
end
