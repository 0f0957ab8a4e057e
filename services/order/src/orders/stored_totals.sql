-- What orders have stored of their totals.
select jsonb_build_object(
    'id', o.id, 'cart', o.pricing,
    'amounts', jsonb_build_object(
        'total_minor', o.total_minor, 'subtotal_minor', o.subtotal_minor, 'discount_minor', o.discount_minor,
        'shipping_minor', o.shipping_minor, 'shipping_discount_minor', o.shipping_discount_minor,
        'shipping_tax_minor', o.shipping_tax_minor, 'tax_minor', o.tax_minor, 'prices_include_tax', o.prices_include_tax,
        'taxes', (
            select coalesce(jsonb_agg(tax - 'name' order by position), '[]')
            from jsonb_array_elements(o.taxes) with ordinality as taxes (tax, position)
        ),
        'lines', (
            select coalesce(jsonb_agg(jsonb_build_object(
                'price_minor', i.price_minor, 'quantity', i.quantity, 'discount_minor', i.discount_minor,
                'tax_minor', i.tax_minor, 'total_minor', i.total_minor,
                'weight_grams', case when i.requires_shipping then i.weight_grams else 0 end
            ) order by i.product_id), '[]')
            from orders.order_items i where i.order_id = o.id
        ),
        'discounts', (
            select coalesce(jsonb_agg(jsonb_build_object('class', d.class, 'amount_minor', d.amount_minor)
                                      order by d.discount_id), '[]')
            from orders.order_discounts d where d.order_id = o.id
        )
    )
)::text
from orders.orders o
where o.placed_at is not null and o.subtotal_minor is not null
