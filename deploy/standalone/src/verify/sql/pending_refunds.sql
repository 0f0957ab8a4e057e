-- For information: refunds in progress.
select format('payment %s of order %s: refund of %s %s pending since %s, rejected %s times', id, order_id, amount_minor, currency,
    updated_at, failed_refunds)
from orders.payments
where status = 'refund_pending'
union all
select format('refund %s of order %s: %s %s pending since %s', id, order_id, amount_minor, currency, created_at)
from orders.refunds
where status = 'pending'
