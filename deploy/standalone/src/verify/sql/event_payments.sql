-- An applied provider event about money matches the amount of its payment and is in the history of the payment. A provider
-- also reports refunds that are in progress, and refunds that have failed.
with reported as (
    select provider, id, outcome, intent_snapshot ->> 'intent_id' as intent_id, intent_snapshot ->> 'state' as state,
        (intent_snapshot ->> 'amount_minor')::bigint as amount_minor, intent_snapshot ->> 'currency' as currency
    from orders.provider_events
    where outcome in ('applied', 'unchanged') and intent_snapshot ->> 'failed_refund' is null
)
select format('event %s of %s: reports %s %s %s for intent %s, its payment is %s', r.id, r.provider, r.amount_minor,
    r.currency, r.state, r.intent_id, coalesce(format('%s of %s %s', p.status, p.amount_minor, p.currency), 'missing'))
from reported r
left join orders.payments p on p.provider = r.provider and p.intent_id = r.intent_id
where p.id is null
   or r.state in ('succeeded', 'refunded') and (p.amount_minor, p.currency) is distinct from (r.amount_minor, r.currency)
   or r.state in ('succeeded', 'refunded') and not exists (
       select from orders.order_events e
       where e.payment_id = p.id
         and case r.state when 'succeeded' then e.payment_status = 'completed' else e.payment_status in ('refund_pending', 'refunded') end
   )
   -- In parts, which are recorded once the provider has listed them.
   and not (r.state = 'refunded'
       and (p.refunded_minor > p.refunds_minor or exists (select from orders.refunds f where f.payment_id = p.id)))
