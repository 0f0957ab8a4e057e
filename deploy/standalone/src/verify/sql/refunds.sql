-- For information: money that is to go back.
select format('payment %s of order %s: %s %s to go back since %s, refused %s times', id, order_id, amount_minor, currency,
    updated_at, failed_refunds)
from orders.payments
where status = 'refund_pending'
