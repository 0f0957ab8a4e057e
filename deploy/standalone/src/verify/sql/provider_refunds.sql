-- What the provider reports as refunded of a completed payment is recorded, or the provider is asked for it within the hour.
select format('payment %s of order %s: %s reports %s refunded, recorded are %s', p.id, p.order_id, p.provider, p.refunded_minor,
    p.refunds_minor)
from orders.payments p
where p.status = 'completed' and p.provider <> 'offline' and p.intent_id is not null
  and p.refunded_minor > p.refunds_minor
  and (p.next_poll_at is null or p.next_poll_at > now() + interval '1 h')
  and not exists (select from orders.payment_reviews r where r.payment_id = p.id and r.resolved_at is null)
union all
-- What has succeeded at the provider is part of what it reports.
select format('payment %s of order %s: %s reports %s refunded, %s in parts have succeeded', p.id, p.order_id, p.provider,
    p.refunded_minor, f.amount_minor)
from orders.payments p
join (
    select payment_id, sum(amount_minor) as amount_minor from orders.refunds where status = 'succeeded' group by payment_id
) f on f.payment_id = p.id
where p.status = 'completed' and p.refunded_minor < f.amount_minor
