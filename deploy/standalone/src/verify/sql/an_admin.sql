-- Where there are accounts, one of them can run the shop.
select format('none of %s accounts is an admin who can sign in', count(*))
from identity.users
where deleted_at is null
having count(*) > 0
   and not bool_or(role = 'admin' and not disabled)
