-- If there are users, at least one of them is an admin who can sign in.
select format('none of %s users is an admin who can sign in', count(*))
from identity.users
where deleted_at is null
having count(*) > 0
   and not bool_or(role = 'admin' and not disabled)
