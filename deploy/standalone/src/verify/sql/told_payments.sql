-- What a provider has told of a payment of ours is in its history, at the same amount. A refund of ours is told of while
-- it is under way.
with told as (
    select provider, id, outcome, intent_snapshot ->> 'intent_id' as intent_id, intent_snapshot ->> 'state' as state,
        (intent_snapshot ->> 'amount_minor')::bigint as amount_minor, intent_snapshot ->> 'currency' as currency
    from orders.provider_events
    where outcome in ('applied', 'unchanged')
)
select format('event %s of %s: told of %s %s %s by intent %s, its payment is %s', t.id, t.provider, t.amount_minor,
    t.currency, t.state, t.intent_id, coalesce(format('%s of %s %s', p.status, p.amount_minor, p.currency), 'missing'))
from told t
left join orders.payments p on p.provider = t.provider and p.intent_id = t.intent_id
where (p.amount_minor, p.currency) is distinct from (t.amount_minor, t.currency)
   or t.state in ('succeeded', 'refunded') and not exists (
       select from orders.order_events e
       where e.payment_id = p.id
         and case t.state when 'succeeded' then e.payment_status = 'completed' else e.payment_status in ('refund_pending', 'refunded') end
   )
