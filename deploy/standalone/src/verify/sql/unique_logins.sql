-- An email or username belongs to one user.
select format('%s %L: users %s', kind, key, string_agg(id::text, ', ' order by id))
from (
    select 'email' as kind, email_normalized as key, id from identity.users
    union all
    select 'username', username_normalized, id from identity.users
) as logins
where key is not null
group by kind, key
having count(*) > 1
